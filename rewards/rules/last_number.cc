// last_number: the last number of the completion is the reference.
#include <memory>

#include "absl/strings/str_cat.h"
#include "rewards/number.h"
#include "rewards/rules/number_verdict.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class LastNumberIs final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    return CheckNumber("last_number", prompt);
  }

 protected:
  Verdict Judge(const Item& item) const override {
    return JudgeNumber({.name = "last number",
                        .reading = LastNumber(item.completion),
                        .may_be_cut = item.truncated},
                       item.prompt.reference, {});
  }
};

}  // namespace

VerifierSpec LastNumberVerifier() {
  return {.name = "last_number",
          .help =
              "The last number in the completion equals the reference, "
              "exactly, in whatever form it is written. A number that the "
              "length limit cut off counts for nothing.",
          .needs = {"answer"},
          .make = MakePlain<LastNumberIs>};
}

}  // namespace aha::rewards
