#include "learner/step_rewards.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "learner/bytes.h"
#include "rl/advantage.h"

namespace aha::learner {
namespace {

struct TableHeader {
  uint32_t slot;
  uint32_t rows;
  uint32_t samples;
};

// A component that had nothing to say of the completion is not in its means.
double MeasuredValue(const v1::RewardPart& part) {
  return part.outcome() == v1::REWARD_OUTCOME_NOT_APPLICABLE
             ? std::numeric_limits<double>::quiet_NaN()
             : part.value();
}

void AppendTable(const v1::ScoredGroup& group, std::string* bytes) {
  const int parts = group.trajectories(0).parts_size();
  AppendBytes(
      bytes,
      TableHeader{.slot = group.context().key().slot(),
                  .rows = 1 + static_cast<uint32_t>(parts),
                  .samples = static_cast<uint32_t>(group.trajectories_size())});
  for (int part = -1; part < parts; ++part) {
    for (const v1::ScoredTrajectory& scored : group.trajectories()) {
      AppendBytes(bytes, part < 0 ? scored.reward()
                                  : MeasuredValue(scored.parts(part)));
    }
  }
}

absl::Status TakeTables(absl::string_view bytes, size_t rank,
                        StepRewards* rewards) {
  while (!bytes.empty()) {
    TableHeader header;
    if (!TakeBytes(&bytes, &header) || header.slot >= rewards->by_slot.size() ||
        header.rows == 0 ||
        bytes.size() <
            uint64_t{header.rows} * header.samples * sizeof(double) ||
        !rewards->by_slot[header.slot].empty()) {
      return absl::InternalError(
          absl::StrCat("rewards of rank ", rank, " are malformed"));
    }
    auto& table = rewards->by_slot[header.slot];
    table.assign(header.rows, std::vector<double>(header.samples));
    for (std::vector<double>& row : table) {
      for (double& value : row) TakeBytes(&bytes, &value);
    }
  }
  return absl::OkStatus();
}

double Mean(absl::Span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace

void StepRewards::FillMetrics(std::map<std::string, double>* metrics) const {
  (*metrics)["reward"] = Mean(all);
  (*metrics)["reward_std"] = deviation;
  for (size_t part = 0; part < part_names.size(); ++part) {
    std::vector<double> values;
    for (const auto& table : by_slot) {
      if (part + 1 >= table.size()) continue;
      const std::vector<double>& row = table[part + 1];
      std::copy_if(row.begin(), row.end(), std::back_inserter(values),
                   [](double value) { return !std::isnan(value); });
    }
    if (values.empty()) continue;
    const std::string name = absl::StrCat("rewards/", part_names[part]);
    (*metrics)[name + "/mean"] = Mean(values);
    (*metrics)[name + "/std"] = RewardDeviation(values);
  }
  double degenerate = 0;
  for (const auto& table : by_slot) degenerate += IsDegenerate(table[0]);
  (*metrics)["frac_reward_zero_std"] =
      degenerate / static_cast<double>(by_slot.size());
}

absl::StatusOr<StepRewards> ExchangeRewards(
    uint32_t slots, int ddof, absl::Span<const v1::ScoredGroup* const> groups,
    comm::Communicator& comm) {
  std::string mine;
  for (const v1::ScoredGroup* group : groups) AppendTable(*group, &mine);
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                       comm.AllGatherBytes("rewards", mine));
  StepRewards rewards;
  rewards.by_slot.resize(slots);
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    AHA_RETURN_IF_ERROR(TakeTables(ranks[rank], rank, &rewards));
  }
  for (uint32_t slot = 0; slot < slots; ++slot) {
    if (rewards.by_slot[slot].empty()) {
      return absl::InternalError(
          absl::StrCat("no rank has the group of slot ", slot));
    }
    const std::vector<double>& row = rewards.by_slot[slot][0];
    rewards.all.insert(rewards.all.end(), row.begin(), row.end());
  }
  if (!groups.empty()) {
    for (const v1::RewardPart& part : groups[0]->trajectories(0).parts()) {
      rewards.part_names.push_back(part.name());
    }
  }
  rewards.deviation = RewardDeviation(rewards.all, ddof);
  return rewards;
}

}  // namespace aha::learner
