// repetition: how much of the completion repeats itself.
//
//   value = distinct n-grams of words / all of them - 1
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rewards/rules/rules.h"

namespace aha::rewards {
namespace {

// Each word as a number: equal words have equal numbers.
std::vector<uint32_t> NumberWords(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  absl::flat_hash_map<absl::string_view, uint32_t> numbers;
  std::vector<uint32_t> words;
  for (const absl::string_view word : absl::StrSplit(
           lower, absl::ByAnyChar(" \t\r\n\f\v"), absl::SkipEmpty())) {
    words.push_back(numbers.emplace(word, static_cast<uint32_t>(numbers.size()))
                        .first->second);
  }
  return words;
}

// The numbers of the runs that are one word longer than those of `runs`.
std::vector<uint32_t> Extend(const std::vector<uint32_t>& runs,
                             const std::vector<uint32_t>& words, size_t size) {
  absl::flat_hash_map<uint64_t, uint32_t> numbers;
  std::vector<uint32_t> longer;
  for (size_t i = 0; i + size <= words.size(); ++i) {
    const uint64_t pair = uint64_t{runs[i]} << 32 | words[i + size - 1];
    longer.push_back(
        numbers.emplace(pair, static_cast<uint32_t>(numbers.size()))
            .first->second);
  }
  return longer;
}

class Repetition final : public RuleVerifier {
 public:
  explicit Repetition(size_t size) : size_(size) {}

  absl::Status Check(const PromptView&) const override {
    return absl::OkStatus();
  }

 protected:
  Verdict Judge(const Item& item) const override {
    const std::vector<uint32_t> words = NumberWords(item.completion);
    std::vector<uint32_t> runs = words;
    for (size_t size = 2; size <= size_; ++size) {
      runs = Extend(runs, words, size);
    }
    const size_t distinct =
        absl::flat_hash_set<uint32_t>(runs.begin(), runs.end()).size();
    const double share = runs.empty() ? 1
                                      : static_cast<double>(distinct) /
                                            static_cast<double>(runs.size());
    return {.outcome = Outcome::kScore,
            .value = share - 1,
            .evidence = absl::StrCat(distinct, " of ", runs.size(), " ", size_,
                                     "-grams are distinct")};
  }

 private:
  const size_t size_;
};

absl::StatusOr<std::unique_ptr<Verifier>> MakeRepetition(
    const VerifierSettings& settings) {
  return std::make_unique<Repetition>(static_cast<size_t>(settings.ngram_size));
}

}  // namespace

VerifierSpec RepetitionVerifier() {
  return {.name = "repetition",
          .help =
              "0 if no run of ngram_size words occurs twice, and towards -1 "
              "the more of them repeat: distinct runs divided by all runs, "
              "minus 1.",
          .needs = {},
          .takes = {"ngram_size"},
          .make = MakeRepetition};
}

}  // namespace aha::rewards
