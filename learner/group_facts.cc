#include "learner/group_facts.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "learner/bytes.h"

namespace aha::learner {

void Comparison::Add(uint32_t sample, absl::Span<const float> recorded,
                     absl::Span<const float> computed) {
  for (size_t t = 0; t < recorded.size(); ++t) {
    ++compared;
    if (std::memcmp(&recorded[t], &computed[t], sizeof(float)) == 0) continue;
    max_difference =
        std::max(max_difference, std::abs(double{recorded[t]} - computed[t]));
    if (differing++ > 0) continue;
    first_sample = sample;
    first_token = static_cast<uint32_t>(t);
    first_recorded = recorded[t];
    first_computed = computed[t];
  }
}

absl::StatusOr<std::vector<GroupFacts>> ExchangeFacts(
    uint32_t slots, const std::vector<GroupFacts>& mine,
    comm::Communicator& comm) {
  std::string bytes;
  for (const GroupFacts& facts : mine) AppendBytes(&bytes, facts);
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                       comm.AllGatherBytes("statistics", bytes));
  std::vector<GroupFacts> by_slot;
  for (absl::string_view rest : ranks) {
    for (GroupFacts facts; TakeBytes(&rest, &facts);) by_slot.push_back(facts);
  }
  std::sort(
      by_slot.begin(), by_slot.end(),
      [](const GroupFacts& a, const GroupFacts& b) { return a.slot < b.slot; });
  for (uint32_t slot = 0; slot < slots; ++slot) {
    if (by_slot.size() != slots || by_slot[slot].slot != slot) {
      return absl::InternalError(absl::StrCat("the ranks trained ",
                                              by_slot.size(), " groups of ",
                                              slots, ", or one twice"));
    }
  }
  return by_slot;
}

LossSums TotalOf(const std::vector<GroupFacts>& facts) {
  LossSums sums;
  for (const GroupFacts& one : facts) sums += one.sums;
  return sums;
}

int64_t TokensOf(const std::vector<GroupFacts>& facts) {
  int64_t tokens = 0;
  for (const GroupFacts& one : facts) {
    tokens += one.prompt_tokens + one.sums.tokens;
  }
  return tokens;
}

void FillMetrics(const LossOptions& options,
                 const std::vector<GroupFacts>& facts,
                 std::map<std::string, double>* metrics) {
  const LossSums sums = TotalOf(facts);
  double entropy = 0, max_difference = 0;
  uint64_t truncated = 0;
  int64_t min_length = facts[0].min_length, max_length = 0;
  for (const GroupFacts& one : facts) {
    entropy += one.entropy;
    truncated += one.truncated;
    min_length = std::min(min_length, one.min_length);
    max_length = std::max(max_length, one.max_length);
    max_difference = std::max(max_difference, one.comparison.max_difference);
  }
  const double completions = static_cast<double>(sums.completions);
  const double tokens = static_cast<double>(sums.tokens);
  const LossMetrics loss = MetricsOf(options, sums);
  auto& out = *metrics;
  out["completions/mean_length"] = tokens / completions;
  out["completions/min_length"] = static_cast<double>(min_length);
  out["completions/max_length"] = static_cast<double>(max_length);
  out["completions/clipped_ratio"] =
      static_cast<double>(truncated) / completions;
  out["loss"] = loss.loss;
  out["policy_loss"] = loss.policy_loss;
  // Without a penalty the reference is not computed, so there is no KL.
  if (options.beta > 0) out["kl"] = loss.kl;
  out["entropy"] = entropy / tokens;
  out["clip_ratio/region_mean"] = loss.clip_region_mean;
  out["clip_ratio/low_mean"] = loss.clip_low_mean;
  out["clip_ratio/high_mean"] = loss.clip_high_mean;
  // The policy against the version that sampled; 1 without lag.
  out["policy_ratio/min"] = loss.ratio_min;
  out["policy_ratio/mean"] = loss.ratio_mean;
  out["policy_ratio/max"] = loss.ratio_max;
  // The sampler against the trainer under the same version.
  out["sampling/sampling_logp_difference/max"] = max_difference;
}

std::string FirstDifference(uint64_t step,
                            const std::vector<GroupFacts>& facts) {
  for (const GroupFacts& one : facts) {
    const Comparison& found = one.comparison;
    if (found.differing == 0) continue;
    return absl::StrFormat(
        "step %d, slot %d, sample %d, token %d: the actor recorded %.9g, the "
        "learner computes %.9g",
        step, one.slot, found.first_sample, found.first_token,
        found.first_recorded, found.first_computed);
  }
  return "";
}

}  // namespace aha::learner
