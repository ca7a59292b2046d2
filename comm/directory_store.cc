#include "comm/directory_store.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/file_io.h"

namespace aha::comm {
namespace {

// Ranks start within milliseconds of one another, and a rendezvous happens
// once a stage.
constexpr absl::Duration kPoll = absl::Milliseconds(5);
// Bound of one value; values are addresses.
constexpr uint64_t kMaxBytes = 64 << 20;

}  // namespace

absl::StatusOr<DirectoryStore> DirectoryStore::Open(std::string directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        "cannot make rendezvous directory ", directory, ": ", error.message()));
  }
  return DirectoryStore(std::move(directory));
}

std::string DirectoryStore::PathOf(absl::string_view key) const {
  return absl::StrCat(directory_, "/", absl::BytesToHexString(key));
}

absl::Status DirectoryStore::Set(absl::string_view key,
                                 absl::string_view value) const {
  const absl::Status written = ReplaceFile(PathOf(key), value);
  // UNAVAILABLE: the coordinator forms the rank set again, and the cause (a
  // full disk) may be gone by then.
  return written.ok() ? written : absl::UnavailableError(written.message());
}

absl::StatusOr<std::string> DirectoryStore::Get(absl::string_view key,
                                                absl::Duration timeout) const {
  const std::string path = PathOf(key);
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + timeout;
  while (true) {
    absl::StatusOr<std::string> value = ReadWholeFile(path, kMaxBytes);
    if (value.ok()) return value;
    if (clock() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          path, " did not appear within ", absl::FormatDuration(timeout), ": ",
          value.status().message()));
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace aha::comm
