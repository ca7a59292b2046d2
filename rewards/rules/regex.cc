// regex: the completion matches a regular expression of the job file.
#include <re2/re2.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Regex final : public RuleVerifier {
 public:
  explicit Regex(std::unique_ptr<const RE2> pattern)
      : pattern_(std::move(pattern)) {}

  absl::Status Check(const PromptView&) const override {
    return absl::OkStatus();
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const re2::StringPiece text(item.completion.data(), item.completion.size());
    re2::StringPiece match;
    if (!pattern_->Match(text, 0, text.size(), RE2::UNANCHORED, &match, 1)) {
      return Judged(false, "no match");
    }
    return Judged(true,
                  absl::StrCat("match: ", Excerpt(absl::string_view(
                                              match.data(), match.size()))));
  }

 private:
  const std::unique_ptr<const RE2> pattern_;
};

absl::StatusOr<std::unique_ptr<Verifier>> MakeRegex(
    const VerifierSettings& settings) {
  if (settings.pattern.empty()) {
    return absl::InvalidArgumentError(
        "pattern is required for a reward of type regex, is empty");
  }
  RE2::Options options;
  options.set_log_errors(false);
  auto pattern = std::make_unique<const RE2>(settings.pattern, options);
  if (!pattern->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern must be a regular expression (RE2), got ",
                     Excerpt(settings.pattern), ": ", pattern->error()));
  }
  return std::make_unique<Regex>(std::move(pattern));
}

}  // namespace

VerifierSpec RegexVerifier() {
  return {.name = "regex",
          .help =
              "The pattern (RE2's syntax) matches somewhere in the "
              "completion; \\A and \\z are its beginning and end, and (?s) "
              "lets a dot match a newline.",
          .needs = {},
          .takes = {"pattern"},
          .make = MakeRegex};
}

}  // namespace aha::rewards
