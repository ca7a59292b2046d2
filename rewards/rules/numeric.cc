// numeric: the completion's answer is the reference's number.
#include <memory>
#include <optional>

#include "rewards/extract.h"
#include "rewards/number.h"
#include "rewards/rules/number_verdict.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

// The answer is looked for in the last box, else in the last answer block, else
// it is the last number behind the thought.
FoundNumber FindAnswer(const Item& item) {
  if (const auto box = LastBox(item.completion)) {
    return {.name = "last box", .reading = OnlyNumber(*box)};
  }
  if (const auto block = LastAnswerBlock(item.completion)) {
    return {.name = "answer block", .reading = OnlyNumber(*block)};
  }
  return {.name = "last number",
          .reading = LastNumber(AfterThought(item.completion)),
          .may_be_cut = item.truncated};
}

class Numeric final : public RuleVerifier {
 public:
  explicit Numeric(Tolerance tolerance) : tolerance_(std::move(tolerance)) {}

  absl::Status Check(const PromptView& prompt) const override {
    return CheckNumber("numeric", prompt);
  }

 protected:
  Verdict Judge(const Item& item) const override {
    return JudgeNumber(FindAnswer(item), item.prompt.reference, tolerance_);
  }

 private:
  const Tolerance tolerance_;
};

absl::StatusOr<std::unique_ptr<Verifier>> MakeNumeric(
    const VerifierSettings& settings) {
  return std::make_unique<Numeric>(
      ToleranceOf(settings.tolerance, settings.relative_tolerance));
}

}  // namespace

VerifierSpec NumericVerifier() {
  return {.name = "numeric",
          .help =
              "The answer (in the last \\boxed{}, else in the last answer "
              "block, else the last number behind the thought) and the "
              "reference are the same number, however they are written, "
              "within the tolerance.",
          .needs = {"answer"},
          .takes = {"tolerance", "relative_tolerance"},
          .make = MakeNumeric};
}

}  // namespace aha::rewards
