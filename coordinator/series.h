// The Prometheus series of the coordinator.
//
// Counters and states exist, at 0, from the start.  The figures of steps and
// evaluations exist from the first report on: before any step, a KL of 0 would
// be false.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "job/plan.h"
#include "metrics/registry.h"
#include "run/job_view.h"

namespace aha::coordinator {

struct Series {
  Series() = default;  // Counts nothing, for tests.
  // `metrics` must outlive it.
  Series(metrics::Registry& metrics, const JobPlan& plan);

  // The figures of a committed step, by the names of metrics.jsonl.
  void ShowStep(const std::map<std::string, double>& figures) const;
  void ShowEval(const std::string& stage, double pass_at_1,
                double mean_completion_length) const;
  void ShowState(run::JobState state) const;
  void ShowStage(uint32_t index) const;

  metrics::Counter steps, checkpoints, groups_leased, groups_completed,
      groups_trained, leases_expired, tokens, tokens_compared, tokens_differing,
      weights_sent, weights_received, digest_mismatches, members_lost,
      rollbacks, problems;
  metrics::Gauge epoch, stage, policy_version, last_progress, groups_pending,
      groups_in_flight, groups_delivered, actors, rewards, learners;
  // By what the job waits for: "learners", "actors", "reward_replicas",
  // "weights", "checkpoint", "disk".
  std::map<std::string, metrics::Counter> waits;

 private:
  void AddGroupsAndMembers(const v1::Cluster& cluster);

  metrics::Registry* metrics_ = nullptr;
  std::map<run::JobState, metrics::Gauge> states_;
  std::vector<metrics::Gauge> stages_;
};

}  // namespace aha::coordinator
