// Numbers in completions and references: first byte, where the text is cut in
// two; then both.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rewards/extract.h"
#include "rewards/number.h"
#include "rewards/plain_math.h"
#include "rewards/verifier.h"

namespace aha::rewards {
namespace {

void ScoreAll(absl::string_view reference, absl::string_view completion) {
  for (const VerifierSpec& spec : Verifiers()) {
    const PromptFields fields = {{"numbers", "[1, 2, 7]"}};
    const auto verifier = spec.make({.pattern = "(a|7)+b?", .script = "latin"});
    const PromptView prompt = {.reference = reference, .fields = &fields};
    if (!(*verifier)->Check(prompt).ok()) continue;
    const auto verdicts = (*verifier)->Score(
        {{.prompt = prompt, .completion = completion}}, Deadline::Never());
    const bool valued = verdicts[0].value >= -1 && verdicts[0].value <= 1;
    if (verdicts.size() != 1 || !valued) std::abort();
  }
}

void Read(absl::string_view text) {
  (void)LastNumber(text);
  (void)OnlyNumber(text);
  const NumberReading whole = WholeNumber(text);
  if (whole.kind != NumberReading::Kind::kNumber) return;
  // A number is itself, and what it is written as is the same number.
  if (!SameNumber(whole.number, whole.number)) std::abort();
  const NumberReading again = WholeNumber(whole.number.value.get_str());
  if (again.kind == NumberReading::Kind::kNumber &&
      again.number.value != whole.number.value) {
    std::abort();
  }
}

}  // namespace
}  // namespace aha::rewards

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  const size_t cut = data[0] < text.size() ? data[0] : text.size();
  aha::rewards::Read(text);
  (void)aha::rewards::CanonicalMath(text);
  (void)aha::rewards::SameAnswer(text.substr(0, cut), text.substr(cut));
  aha::rewards::ScoreAll(text.substr(0, cut), text.substr(cut));
  return 0;
}
