#include "coordinator/run_claim.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/prompts.h"
#include "job/file/job.h"
#include "job/identity.h"
#include "nlohmann/json.hpp"
#include "run/job_view.h"
#include "run/layout.h"

namespace aha::coordinator {
namespace {

// The files that the job names and this process reads must be those that the
// run began with.  The certificates of the members say so of their files.
absl::Status ClaimInputs(const v1::Job& job, bool begun, StateStore& store) {
  AHA_ASSIGN_OR_RETURN(const InputFiles files, MeasurePrompts(job));
  for (const auto& [key, content] : files) {
    const std::string name = absl::StrCat("input ", key);
    AHA_ASSIGN_OR_RETURN(const auto held, store.Get(name));
    if (begun && held.has_value() && *held != content) {
      return absl::FailedPreconditionError(absl::StrCat(
          key, ": this run began with a file of ", *held, ", now it has ",
          content,
          "; put the same file back, or choose another run directory"));
    }
    AHA_RETURN_IF_ERROR(store.Set({{name, content}}));
  }
  return absl::OkStatus();
}

// Refuses a run that has checkpoints and a database that knows of none: to
// continue would be to begin again and to write over them.
absl::Status CheckKept(const run::RunWriter& directory) {
  const std::string checkpoints = directory.File(run::kCheckpointsFolder);
  std::error_code error;
  const std::filesystem::directory_iterator it(checkpoints, error);
  if (error || it == std::filesystem::directory_iterator()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      directory.File(run::kDatabaseFile), " is new or was emptied, but ",
      checkpoints,
      " holds checkpoints of an earlier run, which cannot be verified without "
      "it; put a copy of the database back, or choose another directory"));
}

absl::StatusOr<bool> Succeeded(const std::string& run_directory) {
  const std::string path = absl::StrCat(run_directory, "/", run::kDatabaseFile);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  // The process was killed before it wrote the summary, or the file is damaged:
  // the run continues from its end and writes the summary.
  const absl::StatusOr<std::string> summary =
      ReadWholeFile(absl::StrCat(run_directory, "/", run::kSummaryFile));
  if (!summary.ok() || !ParseJson<nlohmann::json>(*summary).ok()) return false;
  AHA_ASSIGN_OR_RETURN(const auto store, StateStore::Open(path));
  AHA_ASSIGN_OR_RETURN(const auto state, store->Get("state"));
  AHA_ASSIGN_OR_RETURN(const auto problem, store->Get("problem"));
  // A job that succeeded with a failure text lacks a checkpoint of its last
  // steps.
  return state == StateName(run::JobState::kSucceeded) &&
         problem.value_or("").empty();
}

}  // namespace

absl::StatusOr<uint64_t> ClaimRun(const v1::Job& job, bool resume,
                                  const run::RunWriter& directory,
                                  StateStore& store) {
  const std::string fingerprint = ResultFingerprint(job).Hex();
  AHA_ASSIGN_OR_RETURN(const auto held, store.Get("fingerprint"));
  AHA_ASSIGN_OR_RETURN(const auto name, store.Get("name"));
  AHA_ASSIGN_OR_RETURN(const auto state, store.Get("state"));
  AHA_ASSIGN_OR_RETURN(const auto last_epoch, store.Get("epoch"));
  AHA_ASSIGN_OR_RETURN(const bool begun, store.HasResults());
  if (resume && !held.has_value()) {
    AHA_RETURN_IF_ERROR(CheckKept(directory));
  }
  const bool other = held.has_value() && *held != fingerprint;
  if (other && (begun || resume)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--run-dir: ", directory.path(), " holds another job (",
        name.value_or("?"), ", state ", state.value_or("?"),
        "), and the two differ in what decides the result; choose another "
        "directory"));
  }
  if (held.has_value() && begun && !resume) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--run-dir: ", directory.path(),
        " holds a run of this job already (state ", state.value_or("?"),
        "); continue it with --resume, or choose another directory"));
  }
  uint64_t epoch = 0;
  if (last_epoch.has_value() && !absl::SimpleAtoi(*last_epoch, &epoch)) {
    return absl::DataLossError(absl::StrCat(run::kDatabaseFile,
                                            ": epoch must be a number, is '",
                                            *last_epoch, "'"));
  }
  ++epoch;
  if (other) {
    AHA_LOG(kInfo) << "the job \"" << name.value_or("?")
                   << "\" has no results here; its directory is taken over";
    AHA_RETURN_IF_ERROR(store.Clear());
  }
  AHA_RETURN_IF_ERROR(ClaimInputs(job, begun, store));
  AHA_RETURN_IF_ERROR(store.Set({{"fingerprint", fingerprint},
                                 {"name", job.name()},
                                 {"epoch", absl::StrCat(epoch)}}));
  return epoch;
}

absl::StatusOr<bool> HasSucceeded(const std::string& run_directory) {
  absl::StatusOr<bool> succeeded = Succeeded(run_directory);
  if (!succeeded.ok()) return ExplainDamage(run_directory, succeeded.status());
  return succeeded;
}

absl::Status ExplainDamage(const std::string& run_directory,
                           absl::Status status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::FailedPreconditionError(absl::StrCat(
      "--run-dir: ", run_directory, ": ", status.message(),
      "; put a copy of the file back, or choose another directory"));
}

}  // namespace aha::coordinator
