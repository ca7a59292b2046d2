// math: the answer is the reference, as mathematics.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "rewards/math/answer.h"
#include "rewards/math/budget.h"
#include "rewards/math/compare.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Math final : public RuleVerifier {
 public:
  explicit Math(Tolerance tolerance) : tolerance_(std::move(tolerance)) {}

  absl::Status Check(const PromptView& prompt) const override {
    AHA_RETURN_IF_ERROR(CheckNotBlank("math", prompt));
    if (prompt.reference.size() <= math::kMaxAnswerBytes) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("answer must have at most ", math::kMaxAnswerBytes,
                     " bytes for reward math, has ", prompt.reference.size()));
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const auto found = math::FindAnswer(item.completion);
    if (!found) {
      return NotRead("no box, no answer block, no formula and no number");
    }
    const std::string where =
        absl::StrCat(found->place, ": ", Excerpt(found->text));
    if (item.truncated && found->at_end) {
      return NotRead(absl::StrCat(where, " may have been cut"));
    }
    const std::string reference = math::ReferenceAnswer(item.prompt.reference);
    math::Budget budget;
    math::Comparison comparison =
        math::CompareAnswers(found->text, reference, tolerance_, &budget);
    if (!comparison.same && !found->boxes.empty()) {
      // One answer, boxed in several forms.
      bool all = true;
      for (const std::string& box : found->boxes) {
        const math::Comparison one =
            math::CompareAnswers(box, reference, tolerance_, &budget);
        all = all && one.same;
        if (all) comparison.tier = one.tier;
      }
      comparison.same = all;
    }
    if (comparison.same) {
      return Judged(true, absl::StrCat(where, ", same ", comparison.tier));
    }
    if (comparison.limit) {
      return {.outcome = Outcome::kLimit,
              .value = 0,
              .evidence = absl::StrCat(where, " needs more than ",
                                       math::kMaxSteps, " steps")};
    }
    if (comparison.unread) {
      return NotRead(absl::StrCat(where, " is not an expression"));
    }
    return Judged(false, where);
  }

 private:
  static Verdict NotRead(std::string evidence) {
    return {.outcome = Outcome::kUnparsable,
            .value = 0,
            .evidence = std::move(evidence)};
  }

  const Tolerance tolerance_;
};

absl::StatusOr<std::unique_ptr<Verifier>> MakeMath(
    const VerifierSettings& settings) {
  return std::make_unique<Math>(
      ToleranceOf(settings.tolerance, settings.relative_tolerance));
}

}  // namespace

VerifierSpec MathVerifier() {
  return {.name = "math",
          .help =
              "The answer (in the last box, else in the answer block, behind "
              "####, behind 'answer is', the last formula or the last number) "
              "is the reference as mathematics: numbers, fractions, sets, "
              "intervals, matrices, equations and formulas in any form.",
          .needs = {"answer"},
          .takes = {"tolerance", "relative_tolerance"},
          .make = MakeMath};
}

}  // namespace aha::rewards
