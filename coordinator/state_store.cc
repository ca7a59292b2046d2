#include "coordinator/state_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "coordinator/sqlite.h"

namespace aha::coordinator {
namespace {

constexpr char kSettings[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

// A change of these tables increments StateStore::kSchemaVersion.
constexpr char kTables[] = R"(
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE stages (stage INTEGER PRIMARY KEY, seconds REAL);
  CREATE TABLE commits (
    stage INTEGER, step INTEGER, weights TEXT, chain TEXT, groups INTEGER,
    tokens INTEGER, compared INTEGER, differing INTEGER, metrics TEXT,
    PRIMARY KEY (stage, step));
  CREATE TABLE checkpoints (
    stage INTEGER, next_step INTEGER, directory TEXT, weights TEXT, chain TEXT,
    stage_done INTEGER, PRIMARY KEY (stage, next_step));
  CREATE TABLE evals (
    stage INTEGER PRIMARY KEY, prompts INTEGER, pass_at_1 REAL, length REAL,
    tokens INTEGER);
  CREATE TABLE datasets (
    stage INTEGER PRIMARY KEY, prompts INTEGER, completions INTEGER,
    tokens INTEGER, reward_sum REAL, bytes INTEGER, checksum TEXT,
    done INTEGER);
)";

constexpr char kPutSeconds[] = "INSERT OR REPLACE INTO stages VALUES (?, ?)";

absl::Status Execute(sqlite3* db, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : FromSqlite(db, code, sql);
}

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* db) : db_(db) {}
  ~Transaction() {
    if (open_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  absl::Status Begin() {
    AHA_RETURN_IF_ERROR(Execute(db_, "BEGIN IMMEDIATE"));
    open_ = true;
    return absl::OkStatus();
  }
  absl::Status Commit() {
    AHA_RETURN_IF_ERROR(Execute(db_, "COMMIT"));
    open_ = false;
    return absl::OkStatus();
  }

 private:
  sqlite3* const db_;
  bool open_ = false;
};

absl::Status PutSeconds(sqlite3* db, uint32_t stage, double seconds) {
  AHA_ASSIGN_OR_RETURN(Statement put, Statement::Prepare(db, kPutSeconds));
  return put.Bind(stage).Bind(seconds).Run();
}

// All of what `body` does, or nothing.
template <class Body>
absl::Status InTransaction(sqlite3* db, Body body) {
  Transaction transaction(db);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_RETURN_IF_ERROR(body());
  return transaction.Commit();
}

// A record of a stage and the time spent in it; `bind` fills in `sql`.
template <class Bind>
absl::Status PutRecord(sqlite3* db, const char* sql, uint32_t stage,
                       double stage_seconds, Bind bind) {
  return InTransaction(db, [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(Statement put, Statement::Prepare(db, sql));
    AHA_RETURN_IF_ERROR(bind(put).Run());
    return PutSeconds(db, stage, stage_seconds);
  });
}

// The first column of the first row of `sql`.
absl::StatusOr<uint64_t> OneNumber(sqlite3* db, const char* sql) {
  AHA_ASSIGN_OR_RETURN(Statement get, Statement::Prepare(db, sql));
  AHA_RETURN_IF_ERROR(get.Step().status());
  return get.Number(0);
}

// Whether the file has the tables; false: it is new.  Writes nothing.
absl::StatusOr<bool> HasSchema(sqlite3* db, const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const uint64_t version,
                       OneNumber(db, "PRAGMA user_version"));
  if (version == StateStore::kSchemaVersion) return true;
  AHA_ASSIGN_OR_RETURN(const uint64_t tables,
                       OneNumber(db, "SELECT COUNT(*) FROM sqlite_master"));
  if (version == 0 && tables == 0) return false;
  return absl::FailedPreconditionError(absl::StrCat(
      path, ": has schema version ", version,
      version == 0 ? " (it was written before versions were kept)" : "",
      ", this program supports version ", StateStore::kSchemaVersion,
      "; use the version of Aha that wrote it, or choose another run "
      "directory"));
}

absl::Status CreateSchema(sqlite3* db, const std::string& path) {
  return InTransaction(db, [&]() -> absl::Status {
    // Another process may have been faster.
    AHA_ASSIGN_OR_RETURN(const bool made, HasSchema(db, path));
    if (made) return absl::OkStatus();
    AHA_RETURN_IF_ERROR(Execute(db, kTables));
    return Execute(
        db, absl::StrCat("PRAGMA user_version = ", StateStore::kSchemaVersion)
                .c_str());
  });
}

absl::StatusOr<Hash128> HashIn(Statement& row, int column,
                               const std::string& name, const char* what) {
  absl::StatusOr<Hash128> hash = Hash128::FromHex(row.Text(column));
  if (hash.ok()) return hash;
  return absl::DataLossError(absl::StrCat("coordinator.db: table ", name, ": ",
                                          what, ": ", hash.status().message()));
}

// The first that `sql` finds with (stage, step).
absl::StatusOr<std::optional<CommitRecord>> OneCommit(sqlite3* db,
                                                      const char* sql,
                                                      uint32_t stage,
                                                      uint64_t step) {
  AHA_ASSIGN_OR_RETURN(Statement get, Statement::Prepare(db, sql));
  AHA_ASSIGN_OR_RETURN(const bool found, get.Bind(stage).Bind(step).Step());
  if (!found) return std::nullopt;
  CommitRecord commit;
  commit.stage = static_cast<uint32_t>(get.Number(0));
  commit.step = get.Number(1);
  const std::string row =
      absl::StrCat("commits, stage ", commit.stage, " step ", commit.step);
  AHA_ASSIGN_OR_RETURN(commit.weights, HashIn(get, 2, row, "weights"));
  AHA_ASSIGN_OR_RETURN(commit.chain, HashIn(get, 3, row, "chain"));
  commit.groups = get.Number(4);
  commit.tokens = get.Number(5);
  commit.tokens_compared = get.Number(6);
  commit.tokens_differing = get.Number(7);
  commit.metrics_line = get.Text(8);
  return commit;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> StateStore::Open(
    const std::string& path) {
  sqlite3* db = nullptr;
  const int opened = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<StateStore> store(new StateStore(db));
  if (opened != SQLITE_OK) return FromSqlite(db, opened, "open");
  sqlite3_busy_timeout(db, 5'000);
  AHA_ASSIGN_OR_RETURN(const bool made, HasSchema(db, path));
  AHA_RETURN_IF_ERROR(Execute(db, kSettings));
  if (!made) AHA_RETURN_IF_ERROR(CreateSchema(db, path));
  return store;
}

StateStore::~StateStore() { sqlite3_close(db_); }

absl::StatusOr<std::optional<std::string>> StateStore::Get(
    const std::string& key) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(db_, "SELECT value FROM meta WHERE key = ?"));
  AHA_ASSIGN_OR_RETURN(const bool found, get.Bind(key).Step());
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(get.Text(0));
}

absl::Status StateStore::Set(const std::map<std::string, std::string>& values) {
  MutexLock lock(mutex_);
  return InTransaction(db_, [&, db = db_]() -> absl::Status {
    for (const auto& [key, value] : values) {
      AHA_ASSIGN_OR_RETURN(
          Statement put,
          Statement::Prepare(db, "INSERT OR REPLACE INTO meta VALUES (?, ?)"));
      AHA_RETURN_IF_ERROR(put.Bind(key).Bind(value).Run());
    }
    return absl::OkStatus();
  });
}

absl::Status StateStore::PutCommit(const CommitRecord& commit,
                                   double stage_seconds) {
  MutexLock lock(mutex_);
  return PutRecord(
      db_, "INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      commit.stage, stage_seconds, [&](Statement& put) -> Statement& {
        put.Bind(commit.stage).Bind(commit.step).Bind(commit.weights.Hex());
        put.Bind(commit.chain.Hex()).Bind(commit.groups).Bind(commit.tokens);
        put.Bind(commit.tokens_compared).Bind(commit.tokens_differing);
        return put.Bind(commit.metrics_line);
      });
}

absl::Status StateStore::PutCheckpoint(const CheckpointRecord& checkpoint,
                                       double stage_seconds) {
  MutexLock lock(mutex_);
  return PutRecord(
      db_, "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
      checkpoint.stage, stage_seconds, [&](Statement& put) -> Statement& {
        put.Bind(checkpoint.stage).Bind(checkpoint.next_step);
        put.Bind(checkpoint.directory).Bind(checkpoint.weights.Hex());
        put.Bind(checkpoint.chain.Hex());
        return put.Bind(uint64_t{checkpoint.stage_done});
      });
}

absl::Status StateStore::PutEval(const EvalRecord& eval, double stage_seconds) {
  MutexLock lock(mutex_);
  return PutRecord(
      db_, "INSERT OR REPLACE INTO evals VALUES (?, ?, ?, ?, ?)", eval.stage,
      stage_seconds, [&](Statement& put) -> Statement& {
        put.Bind(eval.stage).Bind(eval.prompts).Bind(eval.pass_at_1);
        return put.Bind(eval.mean_completion_length).Bind(eval.tokens);
      });
}

absl::Status StateStore::PutDataset(const DatasetRecord& dataset,
                                    double stage_seconds) {
  MutexLock lock(mutex_);
  return PutRecord(
      db_, "INSERT OR REPLACE INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      dataset.stage, stage_seconds, [&](Statement& put) -> Statement& {
        put.Bind(dataset.stage).Bind(dataset.prompts).Bind(dataset.completions);
        put.Bind(dataset.tokens).Bind(dataset.reward_sum).Bind(dataset.bytes);
        return put.Bind(dataset.checksum.Hex()).Bind(uint64_t{dataset.done});
      });
}

absl::Status StateStore::PutStageSeconds(uint32_t stage, double seconds) {
  MutexLock lock(mutex_);
  return PutSeconds(db_, stage, seconds);
}

absl::StatusOr<std::optional<CommitRecord>> StateStore::FindCommit(
    uint32_t stage, uint64_t step) {
  MutexLock lock(mutex_);
  return OneCommit(db_, "SELECT * FROM commits WHERE stage = ? AND step = ?",
                   stage, step);
}

absl::StatusOr<std::optional<CommitRecord>> StateStore::LastCommitBefore(
    uint32_t stage, uint64_t step) {
  MutexLock lock(mutex_);
  return OneCommit(db_,
                   "SELECT * FROM commits WHERE stage = ? AND step < ? "
                   "ORDER BY step DESC LIMIT 1",
                   stage, step);
}

absl::Status StateStore::EachMetricsLine(
    uint32_t stage, uint64_t step,
    const std::function<absl::Status(const std::string&)>& take) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(db_,
                         "SELECT metrics FROM commits WHERE (stage, step) < "
                         "(?, ?) ORDER BY stage, step"));
  get.Bind(stage).Bind(step);
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool found, get.Step());
    if (!found) return absl::OkStatus();
    AHA_RETURN_IF_ERROR(take(get.Text(0)));
  }
}

absl::StatusOr<Totals> StateStore::TotalsBefore(uint32_t stage, uint64_t step) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(db_,
                         "SELECT COUNT(*), SUM(tokens), SUM(compared), "
                         "SUM(differing) FROM commits WHERE (stage, step) < "
                         "(?, ?)"));
  AHA_RETURN_IF_ERROR(get.Bind(stage).Bind(step).Step().status());
  return Totals{.steps = get.Number(0),
                .tokens = get.Number(1),
                .tokens_compared = get.Number(2),
                .tokens_differing = get.Number(3)};
}

absl::StatusOr<std::vector<CheckpointRecord>> StateStore::Checkpoints() {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(
          db_, "SELECT * FROM checkpoints ORDER BY stage, next_step"));
  std::vector<CheckpointRecord> checkpoints;
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool found, get.Step());
    if (!found) return checkpoints;
    CheckpointRecord checkpoint;
    checkpoint.stage = static_cast<uint32_t>(get.Number(0));
    checkpoint.next_step = get.Number(1);
    checkpoint.directory = get.Text(2);
    const std::string row =
        absl::StrCat("checkpoints, stage ", checkpoint.stage, " next_step ",
                     checkpoint.next_step);
    AHA_ASSIGN_OR_RETURN(checkpoint.weights, HashIn(get, 3, row, "weights"));
    AHA_ASSIGN_OR_RETURN(checkpoint.chain, HashIn(get, 4, row, "chain"));
    checkpoint.stage_done = get.Number(5) != 0;
    checkpoints.push_back(std::move(checkpoint));
  }
}

absl::StatusOr<std::vector<EvalRecord>> StateStore::Evals() {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(db_, "SELECT * FROM evals ORDER BY stage"));
  std::vector<EvalRecord> evals;
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool found, get.Step());
    if (!found) return evals;
    evals.push_back({.stage = static_cast<uint32_t>(get.Number(0)),
                     .prompts = get.Number(1),
                     .pass_at_1 = get.Real(2),
                     .mean_completion_length = get.Real(3),
                     .tokens = get.Number(4)});
  }
}

absl::StatusOr<std::vector<DatasetRecord>> StateStore::Datasets() {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(db_, "SELECT * FROM datasets ORDER BY stage"));
  std::vector<DatasetRecord> datasets;
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool found, get.Step());
    if (!found) return datasets;
    DatasetRecord dataset{.stage = static_cast<uint32_t>(get.Number(0)),
                          .prompts = get.Number(1),
                          .completions = get.Number(2),
                          .tokens = get.Number(3),
                          .reward_sum = get.Real(4),
                          .bytes = get.Number(5),
                          .done = get.Number(7) != 0};
    AHA_ASSIGN_OR_RETURN(
        dataset.checksum,
        HashIn(get, 6, absl::StrCat("datasets, stage ", dataset.stage),
               "checksum"));
    datasets.push_back(dataset);
  }
}

absl::StatusOr<bool> StateStore::HasResults() {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      const uint64_t found,
      OneNumber(db_,
                "SELECT EXISTS (SELECT 1 FROM commits) OR "
                "EXISTS (SELECT 1 FROM evals) OR "
                "EXISTS (SELECT 1 FROM datasets WHERE prompts > 0)"));
  return found != 0;
}

absl::Status StateStore::Clear() {
  MutexLock lock(mutex_);
  return InTransaction(db_, [db = db_]() -> absl::Status {
    for (const char* sql : {"DELETE FROM meta", "DELETE FROM stages",
                            "DELETE FROM commits", "DELETE FROM checkpoints",
                            "DELETE FROM evals", "DELETE FROM datasets"}) {
      AHA_ASSIGN_OR_RETURN(Statement remove, Statement::Prepare(db, sql));
      AHA_RETURN_IF_ERROR(remove.Run());
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::map<uint32_t, double>> StateStore::StageSeconds() {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(
      Statement get,
      Statement::Prepare(db_, "SELECT stage, seconds FROM stages"));
  std::map<uint32_t, double> seconds;
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool found, get.Step());
    if (!found) return seconds;
    seconds[static_cast<uint32_t>(get.Number(0))] = get.Real(1);
  }
}

}  // namespace aha::coordinator
