#include "coordinator/commit_request.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "run/metrics.h"

namespace aha::coordinator {
namespace {

absl::StatusOr<Hash128> ReadHash(const char* field, const std::string& bytes) {
  absl::StatusOr<Hash128> hash = Hash128::FromBytes(bytes);
  if (hash.ok()) return hash;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", hash.status().message()));
}

// The steps of the job before this one.
uint64_t JobStep(const JobPlan& plan, const CommitRecord& commit) {
  uint64_t steps = commit.step;
  for (uint32_t i = 0; i < commit.stage; ++i) {
    if (plan.stages[i].trains()) steps += plan.stages[i].steps;
  }
  return steps;
}

std::string LineOf(const JobPlan& plan, const CommitRecord& commit,
                   const v1::CommitStepRequest& request, absl::Time now) {
  return run::MetricsLine(
      {.step = commit.step,
       .stage = plan.stages[commit.stage].name,
       .job_step = JobStep(plan, commit),
       .time = absl::ToDoubleSeconds(now - absl::UnixEpoch()),
       .policy_version = commit.step + 1,
       .weights_checksum = commit.weights.Hex(),
       .values = {request.metrics().begin(), request.metrics().end()}});
}

absl::Status CheckSlots(const v1::CommitStepRequest& request,
                        const StagePlan& stage) {
  const int wanted = static_cast<int>(stage.groups);
  bool right = request.slots_size() == wanted;
  for (int i = 0; right && i < wanted; ++i) {
    right = request.slots(i) == static_cast<uint32_t>(i);
  }
  if (right) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "slots: must be 0 to ", wanted - 1, " in order for a step of ",
      stage.name, ", got [",
      absl::StrJoin(request.slots().begin(),
                    request.slots().begin() + std::min(request.slots_size(), 8),
                    " "),
      "] (", request.slots_size(), " of them)"));
}

// Tokens in the groups of the step, from the mean that the learner reports.
uint64_t TokensOf(const v1::CommitStepRequest& request,
                  const StagePlan& stage) {
  const auto it = request.metrics().find("completions/mean_length");
  if (it == request.metrics().end() || !std::isfinite(it->second)) return 0;
  const auto completions =
      static_cast<double>(request.slots_size()) * stage.num_generations;
  // A learner that reports nonsense must not make the count wrap around.
  constexpr double kMost = 0x1p62;
  return static_cast<uint64_t>(
      std::llround(std::clamp(it->second * completions, 0.0, kMost)));
}

absl::Status CheckDirectory(const std::string& directory) {
  if (directory.empty() || absl::StartsWith(directory, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("directory: must be relative to the run directory, got '",
                     directory, "'"));
  }
  for (const absl::string_view part : absl::StrSplit(directory, '/')) {
    if (part == "..") {
      return absl::InvalidArgumentError(
          absl::StrCat("directory: must stay inside the run directory, got '",
                       directory, "'"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommitRecord> ReadCommit(const v1::CommitStepRequest& request,
                                        const JobPlan& plan, absl::Time now) {
  CommitRecord commit{.stage = request.stage(), .step = request.step()};
  if (commit.stage >= plan.stages.size() ||
      !plan.stages[commit.stage].trains()) {
    return absl::InvalidArgumentError(
        absl::StrCat("stage: ", commit.stage, " is not a stage that trains"));
  }
  const StagePlan& stage = plan.stages[commit.stage];
  AHA_ASSIGN_OR_RETURN(
      commit.weights, ReadHash("weights_checksum", request.weights_checksum()));
  AHA_ASSIGN_OR_RETURN(commit.chain, ReadHash("chain", request.chain()));
  AHA_RETURN_IF_ERROR(CheckSlots(request, stage));
  if (request.stage_done() != (commit.step + 1 == stage.steps)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stage_done: must be true for the last step alone; step ", commit.step,
        " of ", stage.steps, " has ", request.stage_done()));
  }
  commit.groups = static_cast<uint64_t>(request.slots_size());
  commit.tokens_compared = request.tokens_compared();
  commit.tokens_differing = request.tokens_differing();
  commit.tokens = TokensOf(request, stage);
  commit.metrics_line = LineOf(plan, commit, request, now);
  return commit;
}

absl::StatusOr<CheckpointRecord> ReadCheckpoint(
    const v1::CommitCheckpointRequest& request) {
  AHA_RETURN_IF_ERROR(CheckDirectory(request.directory()));
  CheckpointRecord record{.stage = request.stage(),
                          .next_step = request.next_step(),
                          .directory = request.directory(),
                          .stage_done = request.stage_done()};
  AHA_ASSIGN_OR_RETURN(
      record.weights, ReadHash("weights_checksum", request.weights_checksum()));
  AHA_ASSIGN_OR_RETURN(record.chain, ReadHash("chain", request.chain()));
  return record;
}

}  // namespace aha::coordinator
