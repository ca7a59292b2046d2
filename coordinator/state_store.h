// The durable state of a job, in SQLite: <run directory>/coordinator.db.  The
// coordinator continues a job from it after a crash.
//
// Every call is one transaction and durable when it returns OK (WAL,
// synchronous=FULL).  A commit or checkpoint that is recorded again replaces
// the old record; the caller decides whether that is allowed.
//
// The file carries the version of its tables (SQLite's user_version), set in
// the transaction that creates them.  Open refuses every other version: this
// format is not released, so there is nothing to migrate from.
//
// Errors of every call: UNAVAILABLE where trying again may help (disk full,
// busy), DATA_LOSS where the file is damaged.  Thread-safe.
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
  std::string metrics_line = {};  // A line of metrics.jsonl.
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

// The result of an eval stage.
struct EvalRecord {
  uint32_t stage = 0;
  uint64_t prompts = 0;
  // Share of completions whose first reward component is at least 1.
  double pass_at_1 = 0;
  double mean_completion_length = 0;  // Tokens, the end token included.
  uint64_t tokens = 0;
};

// What the file of a sample stage holds for certain: its first `bytes` bytes.
struct DatasetRecord {
  uint32_t stage = 0;
  uint64_t prompts = 0;  // Whole groups, of the slots from 0 on.
  uint64_t completions = 0;
  uint64_t tokens = 0;    // Tokens of the completions.
  double reward_sum = 0;  // Sum over the completions, in order.
  uint64_t bytes = 0;
  Hash128 checksum = {};  // XXH3-128 of these bytes.
  bool done = false;      // The stage has ended with it.
};

class StateStore {
 public:
  static constexpr int kSchemaVersion = 1;

  // Opens the file, or creates it.  FAILED_PRECONDITION: it has another schema
  // version; the message names the file, both versions and what to do.
  static absl::StatusOr<std::unique_ptr<StateStore>> Open(
      const std::string& path);
  ~StateStore();
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  // Small named values: "fingerprint", "epoch", "state", "problem", ...
  absl::StatusOr<std::optional<std::string>> Get(const std::string& key);
  absl::Status Set(const std::map<std::string, std::string>& values);

  // `stage_seconds`: spent in the stage so far, by all processes.
  absl::Status PutCommit(const CommitRecord& commit, double stage_seconds);
  absl::Status PutCheckpoint(const CheckpointRecord& checkpoint,
                             double stage_seconds);
  absl::Status PutEval(const EvalRecord& eval, double stage_seconds);
  absl::Status PutDataset(const DatasetRecord& dataset, double stage_seconds);
  absl::Status PutStageSeconds(uint32_t stage, double seconds);

  // Commits stay in the file: a long run has more of them than memory should
  // hold.
  absl::StatusOr<std::optional<CommitRecord>> FindCommit(uint32_t stage,
                                                         uint64_t step);
  // The last commit of `stage` before `step`.
  absl::StatusOr<std::optional<CommitRecord>> LastCommitBefore(uint32_t stage,
                                                               uint64_t step);
  // Gives `take` the lines of the commits before (stage, step), in order, until
  // its first error, which is returned.  `take` must not call the store.
  absl::Status EachMetricsLine(
      uint32_t stage, uint64_t step,
      const std::function<absl::Status(const std::string&)>& take);
  absl::StatusOr<Totals> TotalsBefore(uint32_t stage, uint64_t step);

  // In order of (stage, step).
  absl::StatusOr<std::vector<CheckpointRecord>> Checkpoints();
  absl::StatusOr<std::vector<EvalRecord>> Evals();
  absl::StatusOr<std::vector<DatasetRecord>> Datasets();
  absl::StatusOr<std::map<uint32_t, double>> StageSeconds();

  // Whether anything was done: a commit, an evaluation or a part of a data set.
  // A run without results may be started over, and its directory may be given
  // to another job.
  absl::StatusOr<bool> HasResults();
  // Removes all records.
  absl::Status Clear();

 private:
  explicit StateStore(sqlite3* db) : db_(db) {}

  Mutex mutex_;
  sqlite3* const db_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
