// contains: the reference occurs in the completion.
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

// The search is quadratic at worst; this bounds it.
constexpr size_t kMaxReference = 1024;

class Contains final : public RuleVerifier {
 public:
  absl::Status Check(const PromptView& prompt) const override {
    AHA_RETURN_IF_ERROR(CheckNotBlank("contains", prompt));
    if (prompt.reference.size() <= kMaxReference) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "answer must have at most ", kMaxReference,
        " bytes for reward contains, has ", prompt.reference.size()));
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const size_t at = item.completion.find(item.prompt.reference);
    const bool found = at != absl::string_view::npos;
    return Judged(found,
                  found ? absl::StrCat("found at byte ", at) : "not found");
  }
};

}  // namespace

VerifierSpec ContainsVerifier() {
  return {.name = "contains",
          .help = "The reference occurs anywhere in the completion, as text.",
          .needs = {"answer"},
          .make = MakePlain<Contains>};
}

}  // namespace aha::rewards
