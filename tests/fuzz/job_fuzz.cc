// Fuzzes job files, which are YAML from outside.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "job/file/job.h"
#include "job/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto job = aha::ParseJob(text, "fuzz.yaml");
  if (!job.ok()) return 0;
  // A job that was accepted must be the same after it is written and read
  // again.
  const auto again = aha::ParseJob(aha::JobToYaml(*job), "again.yaml");
  if (again.ok() &&
      aha::ResultFingerprint(*again) == aha::ResultFingerprint(*job)) {
    return 0;
  }
  std::fprintf(stderr, "not read back as it was: %s\n%s",
               again.status().ToString().c_str(), aha::JobToYaml(*job).c_str());
  std::abort();
}
