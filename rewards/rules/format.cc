// format: the completion has R1's form.
#include <memory>

#include "rewards/extract.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Format final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView&) const override {
    return absl::OkStatus();
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const bool right = HasThinkAnswerForm(item.completion);
    return Judged(right, right ? "one think block and one answer block"
                               : "not one think block and one answer block");
  }
};

}  // namespace

VerifierSpec FormatVerifier() {
  return {.name = "format",
          .help =
              "The completion is exactly one think block and one answer "
              "block, with nothing but white space around them.",
          .needs = {},
          .make = MakePlain<Format>};
}

}  // namespace aha::rewards
