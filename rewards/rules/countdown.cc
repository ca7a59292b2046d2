// countdown: an expression makes the target of the given numbers.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "rewards/math/answer.h"
#include "rewards/math/budget.h"
#include "rewards/math/expression.h"
#include "rewards/math/parser.h"
#include "rewards/rules/number_verdict.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

constexpr absl::string_view kNumbers = "numbers";
constexpr size_t kMaxNumbers = 64;

// The whole numbers of the prompt's line, ascending.
absl::StatusOr<std::vector<mpq_class>> GivenNumbers(const PromptView& prompt) {
  const auto wrong = [](absl::string_view got) {
    return absl::InvalidArgumentError(absl::StrCat(
        kNumbers, " must be a list of 1 to ", kMaxNumbers,
        " whole numbers for reward countdown, got ", Excerpt(got)));
  };
  if (prompt.fields == nullptr) return wrong("nothing");
  const auto field = prompt.fields->find(std::string(kNumbers));
  if (field == prompt.fields->end()) return wrong("nothing");
  const auto list = ParseJson<nlohmann::json>(field->second);
  if (!list.ok() || !list->is_array() || list->empty() ||
      list->size() > kMaxNumbers) {
    return wrong(field->second);
  }
  std::vector<mpq_class> numbers;
  for (const auto& number : *list) {
    if (!number.is_number_integer()) return wrong(field->second);
    numbers.emplace_back(std::to_string(number.get<int64_t>()));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The numbers that an expression of + - * / is made of; nothing if it has
// anything else.
bool CollectNumbers(const math::Node& node, std::vector<mpq_class>* numbers) {
  switch (node.kind) {
    case math::Kind::kNumber:
      numbers->push_back(node.number);
      return !node.decimal;
    case math::Kind::kAdd:
    case math::Kind::kMultiply:
    case math::Kind::kDivide:
    case math::Kind::kNegate:
      return std::all_of(node.args.begin(), node.args.end(),
                         [numbers](const math::Expression& arg) {
                           return CollectNumbers(*arg, numbers);
                         });
    default:
      return false;
  }
}

class Countdown final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    const auto numbers = GivenNumbers(prompt);
    if (!numbers.ok()) return numbers.status();
    return CheckNumber("countdown", prompt);
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const auto found = math::FindAnswer(item.completion);
    if (!found || found->place == "last number") {
      return NotRead("no box, no answer block and no formula");
    }
    const std::string where =
        absl::StrCat(found->place, ": ", Excerpt(found->text));
    math::Budget budget;
    math::Expression expression = math::Parse(found->text, &budget).expression;
    if (expression == nullptr)
      return NotRead(absl::StrCat(where, " is not an expression"));
    // "1 + 2 = 3" says what it makes.
    if (expression->kind == math::Kind::kRelation && expression->name == "=") {
      expression = expression->args[0];
    }
    std::vector<mpq_class> used;
    if (!CollectNumbers(*expression, &used)) {
      return Judged(false, absl::StrCat(where, " is not made of + - * /"));
    }
    std::sort(used.begin(), used.end());
    if (used != *GivenNumbers(item.prompt)) {
      return Judged(false, absl::StrCat(where, " uses other numbers"));
    }
    const auto value = math::RationalValue(expression, &budget);
    const mpq_class target = WholeNumber(item.prompt.reference).number.value;
    return Judged(value == target,
                  absl::StrCat(where, " makes ",
                               value ? Excerpt(value->get_str()) : "nothing"));
  }

 private:
  static Verdict NotRead(std::string evidence) {
    return {.outcome = Outcome::kUnparsable,
            .value = 0,
            .evidence = std::move(evidence)};
  }
};

}  // namespace

VerifierSpec CountdownVerifier() {
  return {.name = "countdown",
          .help =
              "The expression in the answer makes the reference of the "
              "numbers in the prompt's key numbers, each used once, with "
              "+ - * / and brackets.",
          .needs = {"answer", kNumbers},
          .make = MakePlain<Countdown>};
}

}  // namespace aha::rewards
