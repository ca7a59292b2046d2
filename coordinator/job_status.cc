#include "coordinator/job_status.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "coordinator/stage_results.h"

namespace aha::coordinator {
namespace {

void AddFigures(const std::map<std::string, double>& figures,
                v1::StageStatus& shown) {
  shown.mutable_metrics()->insert(figures.begin(), figures.end());
}

v1::StageStatus ShowStage(const JobStatusInput& view, uint32_t index) {
  const StagePlan& stage = view.plan->stages[index];
  const Position& position = view.job->position();
  const StageRun* const run = view.job->run();
  v1::StageStatus shown;
  shown.set_name(stage.name);
  shown.set_type(stage.kind);
  shown.set_steps_total(stage.units());
  shown.set_seconds(view.job->recorder().StageSeconds(index));
  shown.set_done(index < position.stage);
  shown.set_running(index == position.stage &&
                    view.job->recorder().IsRunning(index));
  if (index < position.stage) {
    shown.set_steps_done(stage.units());
  } else if (index == position.stage) {
    shown.set_steps_done(run == nullptr ? position.step : run->UnitsDone());
  }
  AddFigures(view.job->history().latest_metrics(index), shown);
  const auto eval = view.job->history().evals().find(index);
  const auto dataset = view.job->history().datasets().find(index);
  if (run != nullptr && shown.running()) {
    AddFigures(run->Figures(), shown);
  } else if (eval != view.job->history().evals().end()) {
    AddFigures(FiguresOf(eval->second), shown);
  } else if (dataset != view.job->history().datasets().end()) {
    AddFigures(FiguresOf(dataset->second, view.plan->job), shown);
  }
  return shown;
}

void ShowMembers(const JobStatusInput& view, v1::JobStatus& status) {
  double rate = 0;
  for (const MemberInfo* member : view.members->All()) {
    if (member->role == v1::ROLE_ACTOR) rate += member->tokens_per_second;
    if (!member->waiting_for.empty()) {
      status.add_waits(
          absl::StrCat(member->name, " waits for ", member->waiting_for));
    }
  }
  status.set_rollout_tokens_per_second(rate);
}

}  // namespace

v1::JobState ToWire(run::JobState state) {
  static_assert(static_cast<int>(run::JobState::kPending) ==
                    static_cast<int>(v1::JOB_STATE_PENDING) &&
                static_cast<int>(run::JobState::kFailed) ==
                    static_cast<int>(v1::JOB_STATE_FAILED));
  const int number = static_cast<int>(state);
  return v1::JobState_IsValid(number) ? static_cast<v1::JobState>(number)
                                      : v1::JOB_STATE_UNSPECIFIED;
}

v1::JobStatus ShowJob(const JobStatusInput& view) {
  const Position& position = view.job->position();
  const Totals& totals = view.job->history().totals();
  v1::JobStatus status;
  status.set_name(view.plan->job.name());
  status.set_state(ToWire(view.job->state()));
  status.set_problem(view.job->failure());
  status.set_not_reproducible(view.job->recorder().not_reproducible());
  status.set_run_directory(view.run_directory);
  // Before the first step there is nothing to sum.
  if (position.chain != Hash128{}) status.set_checksum(position.chain.Hex());
  if (position.weights != Hash128{}) {
    status.set_weights_checksum(position.weights.Hex());
  }
  status.set_tokens_compared(totals.tokens_compared);
  status.set_tokens_differing(totals.tokens_differing);
  status.set_started_unix_seconds(absl::ToDoubleSeconds(
      view.job->recorder().started_wall() - absl::UnixEpoch()));
  status.set_seconds(view.job->recorder().seconds());
  const auto stages = static_cast<uint32_t>(view.plan->stages.size());
  status.set_current_stage(std::min(position.stage, stages - 1));
  for (uint32_t i = 0; i < stages; ++i) {
    *status.add_stages() = ShowStage(view, i);
  }
  const StageRun* const run = view.job->run();
  if (run != nullptr && run->ledger() != nullptr) {
    const LedgerCounts counts = run->ledger()->Counts();
    status.set_groups_leased(counts.leased);
    status.set_groups_delivered(counts.delivered);
  }
  ShowMembers(view, status);
  if (view.job->over()) return status;
  for (const Wait& wait : view.job->Missing(*view.members)) {
    status.add_waits(absl::StrCat("the job waits for ", wait.text));
  }
  return status;
}

v1::Member ShowMember(const MemberInfo& member, uint64_t leases,
                      absl::Time now) {
  v1::Member shown;
  shown.set_role(member.role);
  shown.set_name(member.name);
  shown.set_address(member.address);
  shown.set_metrics_address(member.metrics_address);
  shown.set_rank(member.rank);
  shown.set_last_seen_seconds(absl::ToDoubleSeconds(now - member.last_seen));
  shown.set_leases(leases);
  shown.set_waiting_for(member.waiting_for);
  shown.set_tokens_per_second(member.tokens_per_second);
  shown.set_numeric_class(member.certificate.numeric_class());
  shown.set_draining(member.draining);
  return shown;
}

}  // namespace aha::coordinator
