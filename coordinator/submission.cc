#include "coordinator/submission.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "coordinator/prompts.h"
#include "coordinator/run_claim.h"
#include "coordinator/state_store.h"
#include "job/file/job.h"
#include "job/identity.h"
#include "job/reward_program.h"
#include "run/layout.h"

namespace aha::coordinator {
namespace {

constexpr char kCurrent[] = ".current";  // No job has such a name.
constexpr uint64_t kLongestName = 4096;
constexpr uint64_t kLargestJob = 16 << 20;

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// Whether the job may run in a directory that may hold a run already.
absl::Status CheckDirectory(const std::string& directory, const v1::Job& job,
                            bool resume) {
  const std::string database = absl::StrCat(directory, "/", run::kDatabaseFile);
  const std::string where =
      absl::StrCat("name: the cluster holds a run of that name (", directory);
  bool begun = false;
  std::optional<std::string> held;
  std::string state = "?";
  if (Exists(database)) {
    AHA_ASSIGN_OR_RETURN(const auto store, StateStore::Open(database));
    AHA_ASSIGN_OR_RETURN(begun, store->HasResults());
    AHA_ASSIGN_OR_RETURN(held, store->Get("fingerprint"));
    AHA_ASSIGN_OR_RETURN(const auto known, store->Get("state"));
    state = known.value_or(state);
  }
  if (begun && held != ResultFingerprint(job).Hex()) {
    return absl::FailedPreconditionError(
        absl::StrCat(where, ", ", state,
                     ") of another job, and the two differ in what decides "
                     "the result; choose another name"));
  }
  AHA_ASSIGN_OR_RETURN(const bool done, HasSucceeded(directory));
  if (begun && done) {
    return absl::FailedPreconditionError(
        absl::StrCat(where,
                     ") of this job, which has succeeded; there is "
                     "nothing to continue"));
  }
  if (begun && !resume) {
    return absl::FailedPreconditionError(absl::StrCat(
        where, ", ", state,
        ") of this job; continue it with --resume, or choose another name"));
  }
  if (!begun && resume) {
    return absl::FailedPreconditionError(
        absl::StrCat("--resume: the cluster holds no run of job ", job.name(),
                     " (", directory, "); leave it out"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Submissions>> Submissions::Open(
    const std::string& root, std::vector<std::string> allowed_commands) {
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<run::RunWriter> directory,
                       run::RunWriter::Open(root, "--runs"));
  return std::unique_ptr<Submissions>(
      new Submissions(std::move(directory), std::move(allowed_commands)));
}

std::string Submissions::DirectoryOf(const v1::Job& job) const {
  return root_->File(job.name());
}

absl::StatusOr<std::optional<v1::Job>> Submissions::Current() {
  const std::string path = root_->File(kCurrent);
  if (!Exists(path)) return std::nullopt;
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(path, kLongestName));
  const std::string name(absl::StripAsciiWhitespace(text));
  const std::string job_file =
      root_->File(absl::StrCat(name, "/", run::kJobFile));
  const absl::StatusOr<std::string> file = ReadWholeFile(job_file, kLargestJob);
  absl::StatusOr<v1::Job> job =
      file.ok() ? ParseJob(*file, job_file) : file.status();
  if (job.ok() && job->name() == name) {
    MutexLock lock(mutex_);
    current_ = *std::move(job);
    return current_;
  }
  // A disk that cannot be read now may be readable the next time.
  if (!job.ok() && !absl::IsNotFound(job.status()) &&
      !absl::IsInvalidArgument(job.status())) {
    return job.status();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": names \"", name, "\", which cannot be continued: ",
                   job.ok() ? absl::StrCat("its job.yaml is of ", job->name())
                            : job.status().message(),
                   "; submit the job again"));
}

absl::Status Submissions::Submit(const v1::Job& submitted, bool resume) {
  MutexLock lock(mutex_);
  if (current_.has_value()) {
    return absl::UnavailableError(absl::StrCat("the job ", current_->name(),
                                               " is just beginning or ending"));
  }
  AHA_ASSIGN_OR_RETURN(current_, Accept(submitted, resume));
  changed_.NotifyAll();
  return absl::OkStatus();
}

std::optional<v1::Job> Submissions::Next() {
  MutexLock lock(mutex_);
  while (!interrupted_ && !current_.has_value()) changed_.Wait(mutex_);
  return interrupted_ ? std::nullopt : current_;
}

void Submissions::Interrupt() {
  MutexLock lock(mutex_);
  interrupted_ = true;
  changed_.NotifyAll();
}

void Submissions::Forget() {
  MutexLock lock(mutex_);
  root_->Remove(kCurrent);
  current_.reset();
}

absl::StatusOr<v1::Job> Submissions::Accept(const v1::Job& submitted,
                                            bool resume) {
  AHA_ASSIGN_OR_RETURN(v1::Job job, ResolveJob(submitted));
  // The reward services have lists of their own, which decide in the end.
  AHA_RETURN_IF_ERROR(CheckProgramsAllowed(job, allowed_commands_));
  AHA_RETURN_IF_ERROR(MakePrompts(MakePlan(job)).status());
  const std::string directory = DirectoryOf(job);
  AHA_RETURN_IF_ERROR(CheckDirectory(directory, job, resume));
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return FileError("cannot make", directory, error.value());
  AHA_RETURN_IF_ERROR(WriteFileDurably(
      absl::StrCat(directory, "/", run::kJobFile), JobToYaml(job)));
  AHA_RETURN_IF_ERROR(
      WriteFileDurably(root_->File(kCurrent), job.name() + "\n"));
  return job;
}

}  // namespace aha::coordinator
