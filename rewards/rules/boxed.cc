// boxed: what stands in the last \boxed{} is the reference.
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "rewards/extract.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Boxed final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    return CheckNotBlank("boxed", prompt);
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const std::optional<absl::string_view> box = LastBox(item.completion);
    if (!box) {
      return {.outcome = Outcome::kUnparsable,
              .value = 0,
              .evidence = "no \\boxed{} with balanced braces"};
    }
    return Judged(SameAnswer(*box, item.prompt.reference),
                  absl::StrCat("last box: ", Excerpt(*box)));
  }
};

}  // namespace

VerifierSpec BoxedVerifier() {
  return {.name = "boxed",
          .help =
              "The last \\boxed{} or \\fbox{} holds the reference: the "
              "same text in any LaTeX spelling, or the same number.",
          .needs = {"answer"},
          .make = MakePlain<Boxed>};
}

}  // namespace aha::rewards
