// Mathematical answers and references: first byte, where the text is cut in
// two; then the answer and the reference.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rewards/math/answer.h"
#include "rewards/math/budget.h"
#include "rewards/math/compare.h"
#include "rewards/math/expression.h"
#include "rewards/math/parser.h"

namespace aha::rewards::math {
namespace {

// A small budget, so that the fuzzer tries much.
constexpr int64_t kSteps = 3000;

Comparison Compare(absl::string_view answer, absl::string_view reference) {
  Budget budget(kSteps);
  return CompareAnswers(answer, reference, {}, &budget);
}

void CheckAnswer(absl::string_view answer, absl::string_view reference) {
  const Comparison once = Compare(answer, reference);
  const Comparison again = Compare(answer, reference);
  if (once.same != again.same || once.limit != again.limit ||
      once.tier != again.tier) {
    std::abort();  // The verdict is not a pure function.
  }
  if (once.same && once.tier.empty()) std::abort();
  Budget budget(kSteps);
  const Parsed parsed = Parse(answer, &budget);
  if (parsed.expression == nullptr) return;
  if (parsed.expression->depth > kMaxDepth ||
      parsed.expression->size > kMaxNodes) {
    std::abort();
  }
}

}  // namespace
}  // namespace aha::rewards::math

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace math = aha::rewards::math;
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  const size_t cut = data[0] < text.size() ? data[0] : text.size();
  math::CheckAnswer(text.substr(0, cut), text.substr(cut));
  (void)math::FindAnswer(text);
  (void)math::ReferenceAnswer(text);
  return 0;
}
