// choice: the letter that the completion chooses is the reference's.
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rewards/extract.h"
#include "rewards/math/answer.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '\'' || c == '-' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The only capital letter that stands alone in the text: "B", "(B)", "B) 12",
// "\text{B}".  Nothing if there are none or different ones.  In prose "A" and
// "I" are words where another word follows.
std::optional<char> OnlyLetter(absl::string_view text, bool prose = false) {
  std::optional<char> only;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!absl::ascii_isupper(text[i]) ||
        (i > 0 && IsWordCharacter(text[i - 1])) ||
        (i + 1 < text.size() && IsWordCharacter(text[i + 1]))) {
      continue;
    }
    const bool word = prose && (text[i] == 'A' || text[i] == 'I') &&
                      i + 2 < text.size() && text[i + 1] == ' ' &&
                      absl::ascii_isalpha(text[i + 2]);
    if (word) continue;
    if (only && *only != text[i]) return std::nullopt;
    only = text[i];
  }
  return only;
}

class Choice final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    if (OnlyLetter(prompt.reference)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "answer must be one capital letter for reward choice, such as B or "
        "(B), got ",
        Excerpt(prompt.reference)));
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const auto found = math::FindAnswer(item.completion);
    std::optional<char> letter;
    if (found && found->boxes.empty() && found->place != "last number" &&
        found->place != "last formula") {
      const bool prose =
          found->place != "last box" && found->place != "answer block";
      letter = OnlyLetter(found->text, prose);
    } else {
      letter = OnlyLetter(AfterThought(item.completion), true);
    }
    if (!letter) {
      return {.outcome = Outcome::kUnparsable,
              .value = 0,
              .evidence = "not one letter is chosen"};
    }
    return Judged(letter == OnlyLetter(item.prompt.reference),
                  absl::StrCat("letter: ", std::string(1, *letter)));
  }
};

}  // namespace

VerifierSpec ChoiceVerifier() {
  return {.name = "choice",
          .help =
              "The letter that the answer chooses (in the last box, else in "
              "the answer block, behind 'answer is', or the only letter that "
              "stands alone behind the thought) is the reference's.",
          .needs = {"answer"},
          .make = MakePlain<Choice>};
}

}  // namespace aha::rewards
