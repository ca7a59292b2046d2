#include "coordinator/stages/sample_run.h"

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/stage_results.h"
#include "run/layout.h"

namespace aha::coordinator {
namespace {

// A save syncs the file and writes a record: not at every group.
constexpr absl::Duration kSaveEvery = absl::Seconds(1);
// Beyond this much text only the groups that are missing before it are leased.
constexpr uint64_t kMaxHeldBytes = 64 << 20;

}  // namespace

SampleRun::SampleRun(const StageParts& parts)
    : CollectRun(parts),
      dataset_(
          absl::StrCat(parts.run_directory, "/", run::DatasetFile(plan().name)),
          stage()),
      last_save_(parts.clock()) {
  const auto& records = history().datasets();
  if (const auto known = records.find(stage()); known != records.end()) {
    ResumeFrom(known->second);
  }
}

void SampleRun::ResumeFrom(const DatasetRecord& record) {
  if (record.prompts > plan().groups) {
    parts().recorder->Warning(
        absl::StrCat("coordinator.db: table datasets, stage ", stage(),
                     ": has ", record.prompts, " prompts of ", plan().groups,
                     "; the data set is sampled again"));
    return;
  }
  const absl::Status resumed = dataset_.Resume(record);
  if (!resumed.ok()) {
    parts().recorder->Warning(absl::StrCat(
        resumed.message(), "; the data set of ", Name(), " is sampled again"));
    return;
  }
  SkipSlots(dataset_.slots());
}

std::optional<LeasedGroup> SampleRun::Lease(uint64_t member,
                                            uint64_t last_step) {
  LeaseLimits limits{.last_step = last_step};
  if (dataset_.held_bytes() > kMaxHeldBytes) {
    limits.end_slot = dataset_.highest_held();
  }
  return ledger()->Lease(member, limits);
}

void SampleRun::Take(const v1::ScoredGroup& group) {
  dataset_.Add(group.context().key().slot(), group);
}

bool SampleRun::WantsSave() const {
  return dataset_.HasUnsaved() && parts().clock() - last_save_ >= kSaveEvery;
}

absl::Status SampleRun::Save() {
  AHA_RETURN_IF_ERROR(dataset_.Save());
  AHA_RETURN_IF_ERROR(history().PutDataset(dataset_.record(), Seconds()));
  last_save_ = parts().clock();
  return absl::OkStatus();
}

absl::Status SampleRun::RecordEnd() {
  AHA_RETURN_IF_ERROR(dataset_.Save());
  DatasetRecord result = dataset_.record();
  result.done = true;
  AHA_RETURN_IF_ERROR(history().PutDataset(result, Seconds()));
  parts().recorder->series().tokens.Increment(
      static_cast<double>(result.tokens));
  const std::optional<double> reward = MeanReward(result, parts().plan->job);
  parts().recorder->Event(
      "dataset",
      absl::StrCat(
          run::DatasetFile(plan().name), ": ", result.completions,
          " completions of ", result.prompts, " prompts",
          reward.has_value() ? absl::StrCat(", mean reward ", *reward) : "",
          ", checksum ", result.checksum.Hex()));
  return absl::OkStatus();
}

std::map<std::string, double> SampleRun::Figures() const {
  return FiguresOf(dataset_.record(), parts().plan->job);
}

}  // namespace aha::coordinator
