#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/names.h"
#include "base/text.h"
#include "rewards/rules/rules.h"
#include "rewards/verifier.h"

namespace aha::rewards {

absl::Span<const VerifierSpec> Verifiers() {
  static const auto* const table = new std::vector<VerifierSpec>{
      AccuracyVerifier(),   FormatVerifier(),    LastNumberVerifier(),
      BoxedVerifier(),      ContainsVerifier(),  NumericVerifier(),
      MathVerifier(),       ExactVerifier(),     RegexVerifier(),
      ChoiceVerifier(),     CountdownVerifier(), LengthVerifier(),
      RepetitionVerifier(), ScriptVerifier(),
  };
  return *table;
}

absl::StatusOr<const VerifierSpec*> FindVerifier(absl::string_view name) {
  return FindByName("type of a reward", Verifiers(), name);
}

absl::Status CheckPrompt(const VerifierSpec& spec, const Verifier& verifier,
                         const PromptView& prompt) {
  for (const absl::string_view need : spec.needs) {
    if (need == "answer") continue;  // It is `reference`: Check looks at it.
    if (prompt.fields != nullptr &&
        prompt.fields->count(std::string(need)) > 0) {
      continue;
    }
    return absl::InvalidArgumentError(
        absl::StrCat(need, " is missing; reward ", spec.name, " needs it"));
  }
  return verifier.Check(prompt);
}

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kScore:
      return "score";
    case Outcome::kUnparsable:
      return "unparsable";
    case Outcome::kTimeout:
      return "timeout";
    case Outcome::kCrash:
      return "crash";
    case Outcome::kLimit:
      return "limit";
    case Outcome::kInfraError:
      return "infra_error";
    case Outcome::kNotApplicable:
      return "not_applicable";
  }
  return "";
}

std::vector<Verdict> RuleVerifier::Score(absl::Span<const Item> batch,
                                         const Deadline& deadline) const {
  std::vector<Verdict> verdicts;
  verdicts.reserve(batch.size());
  for (const Item& item : batch) {
    if (deadline.passed()) {
      verdicts.push_back({.outcome = Outcome::kInfraError,
                          .value = 0,
                          .evidence = "the deadline passed before its turn"});
    } else {
      verdicts.push_back(Judge(item));
    }
  }
  return verdicts;
}

absl::Status CheckNotBlank(absl::string_view verifier,
                           const PromptView& prompt) {
  if (!absl::StripAsciiWhitespace(prompt.reference).empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("answer must not be empty for reward ", verifier, ", got ",
                   Excerpt(prompt.reference)));
}

std::string Excerpt(absl::string_view text) {
  constexpr size_t kMaxBytes = 80;
  size_t end = 0;
  while (end < text.size()) {
    const size_t next = end + ReadUtf8(text, end).size;
    if (next > kMaxBytes) break;
    end = next;
  }
  return absl::StrCat("'", ReplaceMalformedUtf8(text.substr(0, end)),
                      end < text.size() ? "...'" : "'");
}

Verdict Judged(bool right, std::string evidence) {
  return {.outcome = Outcome::kScore,
          .value = right ? 1.0 : 0.0,
          .evidence = std::move(evidence)};
}

}  // namespace aha::rewards
