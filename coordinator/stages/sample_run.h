// The run of a stage of kind sample: the scored completions of training prompts
// become a data set, datasets/<stage name>.jsonl in the run directory.
//
// The file is a pure function of the job file, and so are its bytes: its lines
// stand in order of slot and sample, whichever actor made them and however
// often the job was interrupted.  Groups that were recorded before a crash, and
// are in the file still, are not sampled again.
//
// The data set is no part of the job's checksum, as the result of an eval stage
// is none: the chain says what made the weights, step by step, and it is what
// learners write into checkpoints and what a position is recognised by; a data
// set changes no weights, and the learners never see it.  It has a checksum of
// its own, of the bytes of the file, in summary.json.
#pragma once

#include "coordinator/stages/collect_run.h"
#include "coordinator/stages/dataset.h"

namespace aha::coordinator {

class SampleRun : public CollectRun {
 public:
  explicit SampleRun(const StageParts& parts);

  // Leases nothing far ahead of a group that is missing in the file: what
  // comes meanwhile is held in memory.
  std::optional<LeasedGroup> Lease(uint64_t member,
                                   uint64_t last_step) override;
  bool WantsSave() const override;
  absl::Status Save() override;
  absl::Status RecordEnd() override;
  // prompts, completions, reward and mean_completion_length of what is in the
  // file.
  std::map<std::string, double> Figures() const override;

 protected:
  void Take(const v1::ScoredGroup& group) override;

 private:
  void ResumeFrom(const DatasetRecord& record);

  Dataset dataset_;
  absl::Time last_save_;
};

}  // namespace aha::coordinator
