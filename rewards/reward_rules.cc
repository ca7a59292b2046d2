#include "rewards/reward_rules.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "rewards/number_text.h"

namespace aha {
namespace {

// Bounds the search for it, which is quadratic at worst.
constexpr size_t kLongestNeedle = 1024;
constexpr absl::string_view kThink = "<think>";
constexpr absl::string_view kEndThink = "</think>";
constexpr absl::string_view kAnswer = "<answer>";
constexpr absl::string_view kEndAnswer = "</answer>";

// Where the only occurrence begins; nothing if there is none or another.
std::optional<size_t> OnlyPosition(absl::string_view text,
                                   absl::string_view tag) {
  const size_t first = text.find(tag);
  if (first == absl::string_view::npos || text.rfind(tag) != first) {
    return std::nullopt;
  }
  return first;
}

bool IsBlank(absl::string_view text) {
  return absl::StripAsciiWhitespace(text).empty();
}

// The text inside the only answer block behind a think block.
std::optional<absl::string_view> Answer(absl::string_view text) {
  const std::optional<size_t> begin = OnlyPosition(text, kAnswer);
  const std::optional<size_t> end = OnlyPosition(text, kEndAnswer);
  if (!begin || !end || *end < *begin + kAnswer.size()) return std::nullopt;
  const size_t think = text.find(kThink);
  const size_t thought = text.rfind(kEndThink);
  if (think == absl::string_view::npos || thought == absl::string_view::npos ||
      thought < think || thought > *begin) {
    return std::nullopt;
  }
  const size_t inside = *begin + kAnswer.size();
  return absl::StripAsciiWhitespace(text.substr(inside, *end - inside));
}

bool HasFormat(absl::string_view text) {
  const std::optional<size_t> think = OnlyPosition(text, kThink);
  const std::optional<size_t> end_think = OnlyPosition(text, kEndThink);
  const std::optional<size_t> answer = OnlyPosition(text, kAnswer);
  const std::optional<size_t> end_answer = OnlyPosition(text, kEndAnswer);
  if (!think || !end_think || !answer || !end_answer) return false;
  if (*think > *end_think || *end_think > *answer || *answer > *end_answer) {
    return false;
  }
  const size_t thought = *end_think + kEndThink.size();
  return IsBlank(text.substr(0, *think)) &&
         IsBlank(text.substr(thought, *answer - thought)) &&
         IsBlank(text.substr(*end_answer + kEndAnswer.size()));
}

// The content of the last \boxed{...} whose braces balance.
std::optional<absl::string_view> LastBoxed(absl::string_view text) {
  constexpr absl::string_view kBoxed = "\\boxed";
  struct Brace {
    size_t inside;
    bool boxed;
  };
  std::vector<Brace> open;
  std::optional<absl::string_view> last;
  size_t last_begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (absl::StartsWith(text.substr(i), kBoxed)) {
      size_t brace = i + kBoxed.size();
      while (brace < text.size() && text[brace] == ' ') ++brace;
      if (brace < text.size() && text[brace] == '{') {
        open.push_back({brace + 1, true});
      } else {
        --brace;
      }
      i = brace;
    } else if (text[i] == '\\') {
      ++i;  // Escaped braces group nothing.
    } else if (text[i] == '{') {
      open.push_back({i + 1, false});
    } else if (text[i] == '}' && !open.empty()) {
      const Brace brace = open.back();
      open.pop_back();
      if (brace.boxed && (!last || brace.inside > last_begin)) {
        last = text.substr(brace.inside, i - brace.inside);
        last_begin = brace.inside;
      }
    }
  }
  return last;
}

bool IsLastNumber(const RewardInput& input) {
  const std::optional<NumberInText> number = LastNumber(input.completion);
  if (!number) return false;
  // More digits might have followed.
  if (input.truncated && number->end == input.completion.size()) return false;
  return number->value == WholeNumberText(input.reference);
}

bool IsBoxed(const RewardInput& input) {
  const std::optional<absl::string_view> boxed = LastBoxed(input.completion);
  if (!boxed) return false;
  if (absl::StripAsciiWhitespace(*boxed) ==
      absl::StripAsciiWhitespace(input.reference)) {
    return true;
  }
  const std::optional<std::string> number = WholeNumberText(*boxed);
  return number && number == WholeNumberText(input.reference);
}

bool IsAccurate(const RewardInput& input) {
  return Answer(input.completion) ==
         absl::StripAsciiWhitespace(input.reference);
}

}  // namespace

absl::string_view RewardRuleName(RewardRule rule) {
  switch (rule) {
    case RewardRule::kAccuracy:
      return "accuracy";
    case RewardRule::kFormat:
      return "format";
    case RewardRule::kLastNumber:
      return "last_number";
    case RewardRule::kBoxed:
      return "boxed";
    case RewardRule::kContains:
      return "contains";
  }
  return "";
}

absl::StatusOr<RewardRule> ParseRewardRule(absl::string_view type) {
  for (const RewardRule rule :
       {RewardRule::kAccuracy, RewardRule::kFormat, RewardRule::kLastNumber,
        RewardRule::kBoxed, RewardRule::kContains}) {
    if (RewardRuleName(rule) == type) return rule;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("type of a reward must be accuracy, format, last_number, "
                   "boxed or contains, got '",
                   type, "'"));
}

absl::Status CheckReference(RewardRule rule, absl::string_view reference) {
  constexpr size_t kShown = 60;
  if (rule == RewardRule::kLastNumber && !WholeNumberText(reference)) {
    return absl::InvalidArgumentError(
        absl::StrCat("reference must be a number for reward last_number, got "
                     "'",
                     reference.substr(0, kShown), "'"));
  }
  if (rule != RewardRule::kFormat && IsBlank(reference)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "reference must not be empty for reward ", RewardRuleName(rule)));
  }
  if (rule == RewardRule::kContains && reference.size() > kLongestNeedle) {
    return absl::InvalidArgumentError(
        absl::StrCat("reference must have at most ", kLongestNeedle,
                     " bytes for reward contains, has ", reference.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<double> ScoreRule(RewardRule rule, const RewardInput& input) {
  AHA_RETURN_IF_ERROR(CheckReference(rule, input.reference));
  bool right = false;
  switch (rule) {
    case RewardRule::kAccuracy:
      right = IsAccurate(input);
      break;
    case RewardRule::kFormat:
      right = HasFormat(input.completion);
      break;
    case RewardRule::kLastNumber:
      right = IsLastNumber(input);
      break;
    case RewardRule::kBoxed:
      right = IsBoxed(input);
      break;
    case RewardRule::kContains:
      right = absl::StrContains(input.completion, input.reference);
      break;
  }
  return right ? 1 : 0;
}

absl::StatusOr<RewardScore> ScoreCompletion(
    absl::Span<const RewardComponent> components, const RewardInput& input) {
  RewardScore score;
  for (const RewardComponent& component : components) {
    AHA_ASSIGN_OR_RETURN(const double value, ScoreRule(component.rule, input));
    score.parts.push_back(value);
    score.total += component.weight * value;
  }
  return score;
}

}  // namespace aha
