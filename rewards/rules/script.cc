// script: how much of the thought is written in one script.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/names.h"
#include "base/text.h"
#include "rewards/extract.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Blocks of letters of Unicode 15, as whole blocks.
struct Script {
  absl::string_view name;
  std::vector<Range> ranges;
};

const std::vector<Script>& Scripts() {
  static const auto* const scripts = new std::vector<Script>{
      {"latin",
       {{'A', 'Z'},
        {'a', 'z'},
        {0xC0, 0xD6},
        {0xD8, 0xF6},
        {0xF8, 0x24F},
        {0x1E00, 0x1EFF}}},
      {"cyrillic", {{0x400, 0x52F}}},
      {"greek", {{0x370, 0x3FF}, {0x1F00, 0x1FFF}}},
      {"han",
       {{0x3400, 0x4DBF},
        {0x4E00, 0x9FFF},
        {0xF900, 0xFAFF},
        {0x20000, 0x323AF}}},
      {"japanese",
       {{0x3041, 0x30FF},
        {0x31F0, 0x31FF},
        {0x3400, 0x4DBF},
        {0x4E00, 0x9FFF},
        {0xF900, 0xFAFF}}},
      {"korean", {{0x1100, 0x11FF}, {0x3130, 0x318F}, {0xAC00, 0xD7AF}}},
      {"arabic", {{0x620, 0x64A}, {0x671, 0x6D3}, {0x750, 0x77F}}},
      {"hebrew", {{0x5D0, 0x5EA}}},
      {"devanagari", {{0x900, 0x97F}}},
      {"thai", {{0xE01, 0xE5B}}},
  };
  return *scripts;
}

bool IsIn(const Script& script, char32_t code) {
  return std::any_of(script.ranges.begin(), script.ranges.end(),
                     [code](const Range& range) {
                       return code >= range.first && code <= range.last;
                     });
}

// The thought; the whole completion if it has none.
absl::string_view Thought(absl::string_view completion) {
  const absl::string_view behind = AfterThought(completion);
  return behind.size() == completion.size()
             ? completion
             : completion.substr(0, completion.size() - behind.size());
}

class ScriptShare final : public RuleVerifier {
 public:
  explicit ScriptShare(const Script& script) : script_(script) {}

  absl::Status Check(const PromptView&) const override {
    return absl::OkStatus();
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const absl::string_view text = Thought(item.completion);
    int64_t letters = 0;
    int64_t right = 0;
    for (size_t at = 0; at < text.size();) {
      // Tags and commands of LaTeX are of no language.
      if (text[at] == '<' || text[at] == '\\') {
        at = std::min(text.find_first_of(" >{}\n", at), text.size() - 1) + 1;
        continue;
      }
      const Utf8Char c = ReadUtf8(text, at);
      at += c.size;
      const bool mine = IsIn(script_, c.code);
      right += mine;
      letters += mine || std::any_of(Scripts().begin(), Scripts().end(),
                                     [&](const Script& script) {
                                       return IsIn(script, c.code);
                                     });
    }
    const std::string evidence =
        absl::StrCat(right, " of ", letters, " letters are ", script_.name);
    if (letters == 0) {
      return {
          .outcome = Outcome::kUnparsable, .value = 0, .evidence = evidence};
    }
    return {.outcome = Outcome::kScore,
            .value = static_cast<double>(right) / static_cast<double>(letters),
            .evidence = evidence};
  }

 private:
  const Script& script_;
};

absl::StatusOr<std::unique_ptr<Verifier>> MakeScript(
    const VerifierSettings& settings) {
  const auto script = FindByName("script", Scripts(), settings.script);
  if (!script.ok()) return script.status();
  return std::make_unique<ScriptShare>(**script);
}

}  // namespace

VerifierSpec ScriptVerifier() {
  return {.name = "script",
          .help =
              "The share of the letters of the thought (of the whole "
              "completion without one) that belong to the script, from 0 to "
              "1: how consistent its language is, as far as the script tells.",
          .needs = {},
          .takes = {"script"},
          .make = MakeScript};
}

}  // namespace aha::rewards
