// accuracy: what stands in the answer block is the reference.
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "rewards/extract.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Accuracy final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    return CheckNotBlank("accuracy", prompt);
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const std::optional<absl::string_view> answer =
        AnswerBlock(item.completion);
    if (!answer) {
      return {.outcome = Outcome::kUnparsable,
              .value = 0,
              .evidence = "not one answer block behind a think block"};
    }
    return Judged(SameAnswer(*answer, item.prompt.reference),
                  absl::StrCat("answer block: ", Excerpt(*answer)));
  }
};

}  // namespace

VerifierSpec AccuracyVerifier() {
  return {.name = "accuracy",
          .help =
              "The only answer block behind the think block holds the "
              "reference: the same text, or the same number in another "
              "form.",
          .needs = {"answer"},
          .make = MakePlain<Accuracy>};
}

}  // namespace aha::rewards
