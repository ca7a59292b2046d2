// The history of a job: what was committed so far, and where the job stands.
//
// A job stands at a position: (stage, step) and the chain of checksums up to
// there.  Going back to a checkpoint moves the position but keeps all records:
// a step that is computed again must give the recorded bits, or the job fails
// with DATA_LOSS.
//
// Results of stages that do not train (evaluations, data sets) are recorded
// here too.  They are not part of the chain: the chain says what made the
// weights, and these stages leave the weights as they are.
//
// Durable through StateStore.  Thread-compatible: callers lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "coordinator/state_store.h"
#include "job/plan.h"

namespace aha::coordinator {

struct Position {
  uint32_t stage = 0;    // The number of stages: all are done.
  uint64_t step = 0;     // The next one.
  Hash128 chain = {};    // Zero before the first step.
  Hash128 weights = {};  // The latest commit's; zero before it.
  friend bool operator==(const Position&, const Position&) = default;
};

// The newest of `checkpoints` (oldest first) below `run_directory` whose
// manifest and parts verify, and a line for each that was refused.
struct CheckpointChoice {
  std::optional<CheckpointRecord> checkpoint = {};
  std::vector<std::string> refused = {};
};
// Reads and hashes whole checkpoints: seconds, at the speed of the disk.
CheckpointChoice ChooseCheckpoint(
    const std::string& run_directory,
    const std::vector<CheckpointRecord>& checkpoints);

// Whether the manifest in `directory`, which must exist, is the one that a
// learner commits with `record`.  DATA_LOSS: it is of another step.
absl::Status CheckManifest(const std::string& directory,
                           const CheckpointRecord& record);

class History {
 public:
  // Reads the store.  Neither argument is owned.  DATA_LOSS: the store does not
  // fit the plan.
  static absl::StatusOr<History> Load(const JobPlan* plan, StateStore* store);

  const Position& position() const { return position_; }
  // Sums over the commits before the position.
  const Totals& totals() const { return totals_; }
  // What the latest commit of a stage before the position reported.
  std::map<std::string, double> latest_metrics(uint32_t stage) const;

  // The checkpoint that leads to the position, or the newest before it.
  const std::optional<CheckpointRecord>& checkpoint() const {
    return checkpoint_;
  }
  // Whether a learner that holds nothing can be brought to the position.
  bool CheckpointFits() const;

  // For ChooseCheckpoint.
  const std::vector<CheckpointRecord>& checkpoints() const {
    return checkpoints_;
  }
  // Moves to a checkpoint; without one, to the job's start.
  absl::Status GoBack(const std::optional<CheckpointRecord>& checkpoint);

  enum class Committed {
    kNew,         // Nothing has ever got this far.
    kRecomputed,  // The same bits as before the job went back.
    kAgain,       // The commit was repeated: the position is beyond it.
  };
  // DATA_LOSS: other bits than before.  FAILED_PRECONDITION: not the next step.
  absl::StatusOr<Committed> Commit(const CommitRecord& commit,
                                   double stage_seconds);
  absl::Status AddCheckpoint(const CheckpointRecord& checkpoint,
                             double stage_seconds);
  absl::Status AddEval(const EvalRecord& eval, double stage_seconds);
  // Replaces what was recorded of the same data set.
  absl::Status PutDataset(const DatasetRecord& dataset, double stage_seconds);

  // To the next stage, but not to one whose evaluation is recorded: its result
  // would be the same.  (A data set is entered again: whether its file is as it
  // was recorded is for the stage to find out.)
  void Advance();

  // The checksum of a version, if it was ever committed.
  absl::StatusOr<std::optional<Hash128>> KnownWeights(uint32_t stage,
                                                      uint64_t version) const;
  // By stage.
  const std::map<uint32_t, EvalRecord>& evals() const { return evals_; }
  const std::map<uint32_t, DatasetRecord>& datasets() const {
    return datasets_;
  }

 private:
  History(const JobPlan* plan, StateStore* store)
      : plan_(plan), store_(store) {}
  void SkipFinishedEvals();
  Position After(const CheckpointRecord& checkpoint) const;

  const JobPlan* plan_;
  StateStore* store_;
  Position position_;
  std::optional<CheckpointRecord> checkpoint_;
  Totals totals_;  // Sums over the commits, which stay in the store.
  // By stage: the metrics of its latest commit.
  std::map<uint32_t, std::map<std::string, double>> latest_;
  std::vector<CheckpointRecord> checkpoints_;
  std::map<uint32_t, EvalRecord> evals_;
  std::map<uint32_t, DatasetRecord> datasets_;
};

}  // namespace aha::coordinator
