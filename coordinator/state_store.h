// What the coordinator must not forget, in SQLite: <run dir>/coordinator.db.
//
// Every call is one transaction and durable when it returns OK (WAL,
// synchronous=FULL).  A commit or checkpoint that is recorded again replaces
// the old record; whether that is allowed is the caller's to decide.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/mutex.h"

struct sqlite3;

namespace aha::coordinator {

struct CommitRecord {
  uint32_t stage = 0;
  uint64_t step = 0;
  Hash128 weights = {};
  Hash128 chain = {};  // After the step.
  uint64_t groups = 0;
  uint64_t tokens = 0;  // Sampled in these groups.
  uint64_t tokens_compared = 0;
  uint64_t tokens_differing = 0;
  std::string metrics_line = {};  // As in metrics.jsonl.
};

struct CheckpointRecord {
  uint32_t stage = 0;
  uint64_t next_step = 0;
  std::string directory = {};  // Relative to the run directory.
  Hash128 weights = {};
  Hash128 chain = {};
  bool stage_done = false;
};

// Sums over commits.
struct Totals {
  uint64_t steps = 0;
  uint64_t tokens = 0;
  uint64_t tokens_compared = 0;
  uint64_t tokens_differing = 0;
};

struct EvalRecord {
  uint32_t stage = 0;
  uint64_t prompts = 0;
  double pass_at_1 = 0;
  double mean_completion_length = 0;
  uint64_t tokens = 0;
};

class StateStore {
 public:
  static absl::StatusOr<std::unique_ptr<StateStore>> Open(
      const std::string& path);
  ~StateStore();
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  // Small named values: "fingerprint", "epoch", "state", "problem", ...
  absl::StatusOr<std::optional<std::string>> Get(const std::string& key);
  absl::Status Set(const std::map<std::string, std::string>& values);

  // `stage_seconds`: spent in the stage so far, over all attempts.
  absl::Status PutCommit(const CommitRecord& commit, double stage_seconds);
  absl::Status PutCheckpoint(const CheckpointRecord& checkpoint,
                             double stage_seconds);
  absl::Status PutEval(const EvalRecord& eval, double stage_seconds);
  absl::Status PutStageSeconds(uint32_t stage, double seconds);

  // A long run has more commits than should be held in memory.
  absl::StatusOr<std::optional<CommitRecord>> FindCommit(uint32_t stage,
                                                         uint64_t step);
  // The last one of `stage` before `step`.
  absl::StatusOr<std::optional<CommitRecord>> LastCommitBefore(uint32_t stage,
                                                               uint64_t step);
  // Of the commits before (stage, step), in order.  `take` must not call the
  // store; its first error ends it.
  absl::Status EachMetricsLine(
      uint32_t stage, uint64_t step,
      const std::function<absl::Status(const std::string&)>& take);
  absl::StatusOr<Totals> TotalsBefore(uint32_t stage, uint64_t step);

  // In order of (stage, step).
  absl::StatusOr<std::vector<CheckpointRecord>> Checkpoints();
  absl::StatusOr<std::vector<EvalRecord>> Evals();
  absl::StatusOr<std::map<uint32_t, double>> StageSeconds();

  // Whether anything was done: a commit or an eval.  A run without may be
  // started over, or its directory be given to another job.
  absl::StatusOr<bool> HasResults();
  // Forgets everything.
  absl::Status Clear();

 private:
  explicit StateStore(sqlite3* db) : db_(db) {}

  Mutex mutex_;
  sqlite3* const db_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
