// Fuzzes what a program of the user's may write as a reply.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "base/text.h"
#include "reward_service/external/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto reply = aha::reward::ParseReply(text);
  if (!reply.ok()) return 0;
  const aha::rewards::Verdict& verdict = reply->verdict;
  // A score is finite, and evidence goes onto the wire.
  if (!std::isfinite(verdict.value)) std::abort();
  if (aha::FindMalformedUtf8(verdict.evidence) != absl::string_view::npos) {
    std::abort();
  }
  if (verdict.evidence.size() > aha::reward::kMaxEvidenceBytes + 3) {
    std::abort();
  }
  return 0;
}
