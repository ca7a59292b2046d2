// The lines that a reward service and a program of the user's exchange
// (docs/rewards.md): a JSON object a line, a request for each completion on the
// program's stdin and a reply to each on its stdout.
//
//   {"id":7,"more":0,"prompt":"1+1=","completion":"2","completion_ids":[9],
//    "reference":"2","truncated":false,"fields":{"source":"sums"}}
//   {"id":7,"score":1,"evidence":"equal"}
//
// What a program writes is foreign input: it is read in bounded time and
// memory, and an error says what is wrong with it.  Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "reward_service/assembler.h"
#include "rewards/verifier.h"

namespace aha::reward {

// The longest line that a program may write, in bytes.
inline constexpr size_t kMaxReplyBytes = 64 << 10;
// Longer evidence is cut.
inline constexpr size_t kMaxEvidenceBytes = 2000;

// A request with its newline.  `more` is the number of requests that follow at
// once, before the service waits for replies.
std::string RequestLine(uint64_t id, const Completion& completion,
                        uint64_t more);

struct Reply {
  uint64_t id = 0;
  // kInfraError, with the program's own words as evidence, for an `error`.
  rewards::Verdict verdict;
};
// INVALID_ARGUMENT: the line is not a reply, and thus no line of this program
// can be trusted any more.
absl::StatusOr<Reply> ParseReply(absl::string_view line);

}  // namespace aha::reward
