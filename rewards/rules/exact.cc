// exact: the answer is the reference, character by character.
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rewards/extract.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Exact final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    return CheckNotBlank("exact", prompt);
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const absl::string_view behind = AfterThought(item.completion);
    const std::optional<absl::string_view> block = LastAnswerBlock(behind);
    const absl::string_view answer =
        absl::StripAsciiWhitespace(block.value_or(behind));
    return Judged(
        answer == absl::StripAsciiWhitespace(item.prompt.reference),
        absl::StrCat(block ? "answer block: " : "answer: ", Excerpt(answer)));
  }
};

}  // namespace

VerifierSpec ExactVerifier() {
  return {.name = "exact",
          .help =
              "The answer block, or else everything behind the thought, is "
              "the reference, character by character; white space around "
              "them does not count.",
          .needs = {"answer"},
          .make = MakePlain<Exact>};
}

}  // namespace aha::rewards
