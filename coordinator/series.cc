#include "coordinator/series.h"

namespace aha::coordinator {

Series::Series(rpc::Metrics& m) {
  steps = m.AddCounter("aha_steps_total", "Training steps committed.");
  checkpoints = m.AddCounter("aha_checkpoints_total", "Checkpoints committed.");
  groups_leased =
      m.AddCounter("aha_groups_leased_total", "Groups given to actors.");
  groups_completed = m.AddCounter("aha_groups_completed_total",
                                  "Groups that reached their consumer.");
  groups_trained = m.AddCounter("aha_groups_trained_total",
                                "Groups that a committed step consumed.");
  leases_expired = m.AddCounter("aha_leases_expired_total",
                                "Leases taken back from silent actors.");
  tokens =
      m.AddCounter("aha_tokens_total", "Completion tokens in consumed groups.");
  tokens_compared =
      m.AddCounter("aha_exact_tokens_compared_total",
                   "Log-probabilities compared between actor and learner.");
  tokens_differing = m.AddCounter(
      "aha_exact_tokens_differing_total",
      "Log-probabilities whose bits differ between actor and learner.");
  weights_sent =
      m.AddCounter("aha_weights_bytes_sent_total", "Weight bytes sent.");
  weights_received = m.AddCounter("aha_weights_bytes_received_total",
                                  "Weight bytes received from the learner.");
  members_lost = m.AddCounter("aha_members_lost_total",
                              "Members that died or were replaced.");
  rollbacks = m.AddCounter(
      "aha_rollbacks_total",
      "Returns to the latest checkpoint after a learner was lost.");
  problems = m.AddCounter("aha_problems_total", "Problems reported.");
  epoch = m.AddGauge("aha_epoch", "Starts of the coordinator for this job.");
  stage = m.AddGauge("aha_stage_index", "Index of the running stage.");
  policy_version = m.AddGauge("aha_policy_version_published",
                              "Newest visible version of the running stage.");
  reward_mean = m.AddGauge("aha_reward_mean", "Mean reward of the last step.");
  const std::string groups_help = "Groups of the open steps, by state.";
  groups_pending =
      m.AddGauge("aha_groups", groups_help, {{"state", "pending"}});
  groups_in_flight =
      m.AddGauge("aha_groups", groups_help, {{"state", "leased"}});
  groups_delivered =
      m.AddGauge("aha_groups", groups_help, {{"state", "delivered"}});
  const std::string members_help = "Living members, by role.";
  actors = m.AddGauge("aha_members", members_help, {{"role", "actor"}});
  rewards = m.AddGauge("aha_members", members_help, {{"role", "reward"}});
  learners = m.AddGauge("aha_members", members_help, {{"role", "learner"}});
  paused = m.AddGauge("aha_job_paused", "1 while the job is paused.");
  for (const char* what : {"learners", "actors", "reward_replicas", "weights",
                           "checkpoint", "disk"}) {
    waits[what] =
        m.AddCounter("aha_wait_seconds_total",
                     "Time the job could not go on, by what was missing.",
                     {{"waiting_for", what}});
  }
}

}  // namespace aha::coordinator
