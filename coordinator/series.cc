#include "coordinator/series.h"

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace aha::coordinator {
namespace {

// A metric of a step and the series that shows it.  The list is fixed: a test
// compares it with the dashboards and the alerts.
struct Figure {
  const char* reported;  // Its name in metrics.jsonl.
  const char* series;
  const char* help;
};
constexpr Figure kFigures[] = {
    {"reward", "aha_step_reward_mean", "Mean reward of the latest step."},
    {"reward_std", "aha_step_reward_std",
     "Standard deviation of the rewards of the latest step."},
    {"frac_reward_zero_std", "aha_step_zero_variance_groups_ratio",
     "Share of groups whose rewards are all equal; they give no gradient."},
    {"completions/mean_length", "aha_step_completion_tokens_mean",
     "Mean length of the latest step's completions."},
    {"completions/min_length", "aha_step_completion_tokens_min",
     "Length of the latest step's shortest completion."},
    {"completions/max_length", "aha_step_completion_tokens_max",
     "Length of the latest step's longest completion."},
    {"completions/clipped_ratio", "aha_step_clipped_completions_ratio",
     "Share of completions that were cut at max_completion_length."},
    {"loss", "aha_step_loss", "Loss of the latest step."},
    {"policy_loss", "aha_step_policy_loss",
     "Loss of the latest step without the KL penalty."},
    {"kl", "aha_step_kl",
     "KL divergence from the stage's first policy, in nats a token (k3)."},
    {"entropy", "aha_step_entropy",
     "Entropy of the policy in nats, mean over tokens."},
    {"clip_ratio/region_mean", "aha_step_clip_ratio",
     "Share of tokens whose policy ratio was clipped."},
    {"policy_ratio/min", "aha_step_policy_ratio_min",
     "Least ratio of the policy to the one that sampled; 1 without lag."},
    {"policy_ratio/max", "aha_step_policy_ratio_max",
     "Greatest ratio of the policy to the one that sampled; 1 without lag."},
    {"grad_norm", "aha_step_grad_norm",
     "Global norm of the gradient before clipping."},
    {"learning_rate", "aha_step_learning_rate",
     "Learning rate of the latest step."},
    {"sampling/sampling_logp_difference/max",
     "aha_step_sampling_logp_difference_max",
     "Greatest difference between an actor's and the learner's "
     "log-probability of a token; must be 0."},
};

// These are counters, not gauges: a scrape misses steps, but not their sum.
struct Phase {
  const char* reported;
  const char* phase;
};
constexpr Phase kPhases[] = {{"time/wait_for_groups", "wait_for_groups"},
                             {"time/train", "train"},
                             {"time/publish", "publish"}};

metrics::Counter PhaseSeconds(metrics::Registry& metrics, const char* phase) {
  return metrics.AddCounter("aha_step_seconds_total",
                            "Seconds of rank 0's steps, by phase.",
                            {{"phase", phase}});
}

}  // namespace

Series::Series(metrics::Registry& m, const JobPlan& plan) : metrics_(&m) {
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
  weights_sent = m.AddCounter("aha_weights_sent_bytes_total",
                              "Bytes of weights sent to actors.");
  weights_received = m.AddCounter("aha_weights_received_bytes_total",
                                  "Bytes of weights received.");
  digest_mismatches = m.AddCounter(
      "aha_weights_digest_mismatches_total",
      "Pieces or versions of weights whose hash did not agree; refused.");
  members_lost = m.AddCounter("aha_members_lost_total",
                              "Members that died or were replaced.");
  rollbacks = m.AddCounter(
      "aha_rollbacks_total",
      "Returns to the latest checkpoint after a learner was lost.");
  problems = m.AddCounter("aha_problems_total", "Problems reported.");
  epoch =
      m.AddGauge("aha_epoch", "How often the coordinator started this job.");
  stage = m.AddGauge("aha_stage_index", "Index of the running stage.");
  policy_version = m.AddGauge("aha_policy_version_published",
                              "Newest visible version of the running stage.");
  last_progress =
      m.AddGauge("aha_last_progress_timestamp_seconds",
                 "When a step was committed, a group of a stage that does not "
                 "train arrived, or a stage began, since the Unix epoch.");
  AddGroupsAndMembers(plan.job.cluster());
  for (int state = static_cast<int>(run::JobState::kPending);
       state <= static_cast<int>(run::JobState::kFailed); ++state) {
    const auto named = static_cast<run::JobState>(state);
    states_[named] = m.AddGauge("aha_job_state", "1 for the state of the job.",
                                {{"state", std::string(StateName(named))}});
  }
  for (const StagePlan& one : plan.stages) {
    stages_.push_back(m.AddGauge("aha_stage_running", "1 if this stage runs.",
                                 {{"stage", one.name}, {"type", one.kind}}));
  }
  for (const Phase& phase : kPhases) PhaseSeconds(m, phase.phase);
  for (const char* what : {"learners", "actors", "reward_replicas", "weights",
                           "checkpoint", "disk"}) {
    waits[what] = m.AddCounter("aha_wait_seconds_total",
                               "Seconds waited, by what was waited for.",
                               {{"waiting_for", what}});
  }
}

void Series::AddGroupsAndMembers(const v1::Cluster& cluster) {
  const std::string groups_help = "Groups of the open steps, by state.";
  groups_pending =
      metrics_->AddGauge("aha_groups", groups_help, {{"state", "pending"}});
  groups_in_flight =
      metrics_->AddGauge("aha_groups", groups_help, {{"state", "leased"}});
  groups_delivered =
      metrics_->AddGauge("aha_groups", groups_help, {{"state", "delivered"}});
  const std::string members_help = "Living members, by role.";
  const std::string wanted_help = "Members that the job asks for, by role.";
  const auto role = [&](const char* name, int wanted) {
    metrics_->AddGauge("aha_members_wanted", wanted_help, {{"role", name}})
        .Set(wanted);
    return metrics_->AddGauge("aha_members", members_help, {{"role", name}});
  };
  actors = role("actor", cluster.actors());
  rewards = role("reward", cluster.reward_replicas());
  learners = role("learner", cluster.learners());
}

void Series::ShowStep(const std::map<std::string, double>& figures) const {
  if (metrics_ == nullptr) return;
  for (const Figure& figure : kFigures) {
    const auto found = figures.find(figure.reported);
    if (found == figures.end()) continue;
    metrics_->AddGauge(figure.series, figure.help).Set(found->second);
  }
  for (const Phase& phase : kPhases) {
    const auto found = figures.find(phase.reported);
    if (found == figures.end() || !(found->second >= 0)) continue;
    PhaseSeconds(*metrics_, phase.phase).Increment(found->second);
  }
  for (const auto& [name, value] : figures) {
    absl::string_view component = name;
    if (!absl::ConsumePrefix(&component, "rewards/") ||
        !absl::ConsumeSuffix(&component, "/mean")) {
      continue;
    }
    metrics_
        ->AddGauge("aha_step_reward_component_mean",
                   "Mean of one reward component over the latest step, "
                   "unweighted.",
                   {{"component", std::string(component)}})
        .Set(value);
  }
}

void Series::ShowEval(const std::string& stage, double pass_at_1,
                      double mean_completion_length) const {
  if (metrics_ == nullptr) return;
  metrics_
      ->AddGauge("aha_eval_pass_at_1",
                 "Share of held-out completions that are right.",
                 {{"stage", stage}})
      .Set(pass_at_1);
  metrics_
      ->AddGauge("aha_eval_completion_tokens_mean",
                 "Mean length of held-out completions.", {{"stage", stage}})
      .Set(mean_completion_length);
}

void Series::ShowState(run::JobState state) const {
  for (const auto& [one, gauge] : states_) gauge.Set(one == state);
}

void Series::ShowStage(uint32_t index) const {
  stage.Set(index);
  for (size_t i = 0; i < stages_.size(); ++i) stages_[i].Set(i == index);
}

}  // namespace aha::coordinator
