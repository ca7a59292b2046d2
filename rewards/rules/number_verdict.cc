#include "rewards/rules/number_verdict.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

Verdict NotJudged(Outcome outcome, std::string evidence) {
  return {.outcome = outcome, .value = 0, .evidence = std::move(evidence)};
}

}  // namespace

absl::Status CheckNumber(absl::string_view verifier, const PromptView& prompt) {
  const NumberReading reading = WholeNumber(prompt.reference);
  if (reading.kind == NumberReading::Kind::kNumber) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "answer must be a number",
      reading.kind == NumberReading::Kind::kTooLarge
          ? absl::StrCat(" of at most ", kMaxDigits, " digits")
          : "",
      " for reward ", verifier, ", got ", Excerpt(prompt.reference)));
}

Verdict JudgeNumber(const FoundNumber& found, absl::string_view reference,
                    const Tolerance& tolerance) {
  const NumberReading& reading = found.reading;
  const std::string where =
      absl::StrCat(found.name, ": ", Excerpt(reading.text));
  switch (reading.kind) {
    case NumberReading::Kind::kNone:
      return NotJudged(Outcome::kUnparsable,
                       absl::StrCat(found.name, ": there is none"));
    case NumberReading::Kind::kMalformed:
      return NotJudged(Outcome::kUnparsable,
                       absl::StrCat(where, " is not one number"));
    case NumberReading::Kind::kTooLarge:
      return NotJudged(Outcome::kLimit, absl::StrCat(where, " has more than ",
                                                     kMaxDigits, " digits"));
    case NumberReading::Kind::kNumber:
      break;
  }
  if (found.may_be_cut && reading.at_end) {
    return NotJudged(Outcome::kUnparsable,
                     absl::StrCat(where, " may have been cut"));
  }
  const NumberReading wanted = WholeNumber(reference);
  return Judged(SameNumber(reading.number, wanted.number, tolerance), where);
}

}  // namespace aha::rewards
