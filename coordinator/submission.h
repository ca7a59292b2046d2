// The runs of a standing coordinator: <root>/<job name>/ for each job that was
// ever submitted, and <root>/.current with the name of the current job, so that
// a coordinator continues it after a crash.
//
// One thread runs the jobs, others submit them:
//
//   AHA_ASSIGN_OR_RETURN(std::optional<v1::Job> job, submissions->Current());
//   while (true) {
//     if (!job.has_value()) job = submissions->Next();
//     if (!job.has_value()) break;  // Interrupt was called.
//     ... runs the job to its end ...
//     submissions->Forget();
//     job.reset();
//   }
//
// Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "base/mutex.h"
#include "run/writer.h"

namespace aha::coordinator {

class Submissions {
 public:
  // FAILED_PRECONDITION: `root` cannot be written, or another coordinator uses
  // it.
  // Rewards may name only programs of `allowed_commands`.
  static absl::StatusOr<std::unique_ptr<Submissions>> Open(
      const std::string& root, std::vector<std::string> allowed_commands = {});

  run::RunWriter& root() { return *root_; }
  std::string DirectoryOf(const v1::Job& job) const;

  // The job that was accepted and has not ended; nothing if there is none.
  // INVALID_ARGUMENT: .current names a job that cannot be read.
  absl::StatusOr<std::optional<v1::Job>> Current();

  // Checks the job and makes it the current one, durably.  UNAVAILABLE: there
  // is a current job, which is just about to begin or has just ended; try
  // again.  INVALID_ARGUMENT has a line for each error of the job.
  // PERMISSION_DENIED: a reward names a program that is not allowed.
  // FAILED_PRECONDITION: the directory of that name holds a run of another job,
  // a run of this job that has succeeded, or one that only `resume` may
  // continue.
  absl::Status Submit(const v1::Job& submitted, bool resume);

  // Waits for a submission: the job that is now the current one, or nothing
  // after Interrupt.
  std::optional<v1::Job> Next();
  void Interrupt();

  // There is no current job any more: it has ended, or cannot be started.
  void Forget();

 private:
  Submissions(std::unique_ptr<run::RunWriter> root,
              std::vector<std::string> allowed_commands)
      : root_(std::move(root)),
        allowed_commands_(std::move(allowed_commands)) {}

  absl::StatusOr<v1::Job> Accept(const v1::Job& submitted, bool resume)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<run::RunWriter> root_;
  const std::vector<std::string> allowed_commands_;
  Mutex mutex_;
  CondVar changed_;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<v1::Job> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
