// length: DAPO's soft punishment of overlong completions (arXiv:2503.14476,
// equation 13).
//
//   0                          for  tokens <= max - cache
//   (max - cache - tokens) / cache   up to max
//   -1                         beyond
#include <memory>

#include "absl/strings/str_cat.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

class Length final : public RuleVerifier {
 public:
  Length(int64_t max, int64_t cache) : max_(max), cache_(cache) {}

  absl::Status Check(const PromptView&) const override {
    return absl::OkStatus();
  }

 protected:
  Verdict Judge(const Item& item) const override {
    return {.outcome = Outcome::kScore,
            .value = Value(item.tokens),
            .evidence = absl::StrCat(item.tokens, " tokens")};
  }

 private:
  double Value(int64_t tokens) const {
    if (tokens <= max_ - cache_) return 0;
    if (tokens > max_) return -1;
    return static_cast<double>(max_ - cache_ - tokens) /
           static_cast<double>(cache_);
  }

  const int64_t max_;
  const int64_t cache_;
};

absl::StatusOr<std::unique_ptr<Verifier>> MakeLength(
    const VerifierSettings& settings) {
  if (settings.cache_length > settings.max_length) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache_length must be at most max_length (",
                     settings.max_length, "), got ", settings.cache_length));
  }
  return std::make_unique<Length>(settings.max_length, settings.cache_length);
}

}  // namespace

VerifierSpec LengthVerifier() {
  return {.name = "length",
          .help =
              "0 for a completion of at most max_length - cache_length "
              "tokens, -1 for one of max_length and more, and in a straight "
              "line between: DAPO's soft punishment of overlong completions.",
          .needs = {},
          .takes = {"max_length", "cache_length"},
          .make = MakeLength};
}

}  // namespace aha::rewards
