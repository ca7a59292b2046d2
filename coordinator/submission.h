// The runs of a standing coordinator: <root>/<job name>/ for each job that was
// ever submitted, and <root>/.current with the name of the one at work, so that
// a coordinator that dies goes on with it.
//
// Thread-compatible: callers lock.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "run/writer.h"

namespace aha::coordinator {

class Submissions {
 public:
  // FAILED_PRECONDITION: `root` cannot be written, or another coordinator
  // stands there.
  static absl::StatusOr<std::unique_ptr<Submissions>> Open(
      const std::string& root);

  run::RunWriter& root() { return *root_; }
  std::string DirectoryOf(const v1::Job& job) const;

  // The job that was accepted and has not ended; nothing if there is none.
  // INVALID_ARGUMENT: the one that is named is none, or not there.
  absl::StatusOr<std::optional<v1::Job>> Current() const;

  // Checks the job and makes it the current one, durably.  INVALID_ARGUMENT: a
  // line an error.  FAILED_PRECONDITION: the directory of that name holds a
  // run: of another job, of this one (then `resume` goes on), or of this one to
  // its end.  REQUIRES: there is no current one.
  absl::StatusOr<v1::Job> Accept(const v1::Job& submitted, bool resume);

  // The current job has ended, or cannot be started.
  void Forget();

 private:
  explicit Submissions(std::unique_ptr<run::RunWriter> root)
      : root_(std::move(root)) {}

  const std::unique_ptr<run::RunWriter> root_;
};

}  // namespace aha::coordinator
