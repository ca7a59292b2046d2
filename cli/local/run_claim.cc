#include "cli/local/run_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "run/layout.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kPollLock = absl::Milliseconds(50);

absl::Status CheckSameJob(const run::RunReader& run, const HeldJob& held) {
  if (!held.status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        run.File(run::kJobFile),
        " cannot be read, so nothing can be resumed: ", held.status.message()));
  }
  if (held.same_result) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      run.path(), " holds another job (\"", held.name,
      "\" with other settings that decide the result); choose another --dir"));
}

absl::Status InUse(const run::RunReader& run, bool ended) {
  const std::string remedy =
      ended ? ", whose job has ended; end that process, or choose another --dir"
            : absl::StrCat(
                  "; choose another --dir, or stop it with `ahactl "
                  "job stop --dir ",
                  run.path(), "`");
  return absl::AlreadyExistsError(
      absl::StrCat(run.path(), " is in use by another `ahactl run`", remedy));
}

// The descriptor stays open, so the kernel gives the lock back when this
// process ends.
absl::Status LockRun(const run::RunReader& run, const ClaimOptions& options) {
  const std::string path = run.File(run::kSupervisorLockFile);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot create " + path);
  const absl::Time deadline = absl::Now() + options.patience;
  bool announced = options.quiet;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    // A run whose job has ended is about to leave.
    const bool ended = run.View().state != run::JobState::kInterrupted;
    if (!ended || absl::Now() > deadline) {
      ::close(fd);
      return InUse(run, ended);
    }
    if (!announced) {
      std::fprintf(stderr,
                   "ahactl: waiting for the run in %s, which is ending\n",
                   run.path().c_str());
    }
    announced = true;
    absl::SleepFor(kPollLock);
  }
  return absl::OkStatus();
}

// Processes of an earlier run die with their supervisor, but that takes a
// moment.
absl::Status WaitForOldProcesses(const run::RunReader& run,
                                 const ClaimOptions& options) {
  const absl::StatusOr<std::vector<run::ProcessEntry>> old =
      run.ReadProcesses();
  if (!old.ok()) return absl::OkStatus();
  const absl::Time deadline = absl::Now() + options.patience;
  for (const run::ProcessEntry& process : *old) {
    // The pid may belong to another program by now.
    while (process.pid != ::getpid() && run::ProcessIsAlive(process.pid) &&
           absl::StartsWith(run::ProgramOf(process.pid), "aha-")) {
      if (absl::Now() > deadline) {
        return absl::AlreadyExistsError(absl::StrCat(
            process.name, " (pid ", process.pid, ") of an earlier run in ",
            run.path(), " is still alive after ",
            absl::FormatDuration(options.patience), "; end it first"));
      }
      absl::SleepFor(kPollLock);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Start> ExamineDirectory(const run::RunReader& run,
                                       const HeldJob& held, Wish wish) {
  if (wish != Wish::kResume && !run.HoldsResults()) return Start::kFresh;
  if (!run.HoldsRun()) {
    return absl::NotFoundError(
        absl::StrCat("nothing to resume: ", run.path(),
                     " holds no run; leave out --resume"));
  }
  AHA_RETURN_IF_ERROR(CheckSameJob(run, held));
  const run::JobView view = run.View();
  if (wish == Wish::kNew) {
    return absl::AlreadyExistsError(
        absl::StrCat(run.path(), " already holds a run of job \"", view.name,
                     "\" (", StateName(view.state),
                     "); continue it with --resume, or choose another --dir"));
  }
  // A job that succeeded with a problem has steps that are in no checkpoint.
  return view.state == run::JobState::kSucceeded && view.problem.empty()
             ? Start::kAlreadyDone
             : Start::kResume;
}

absl::Status ClaimDirectory(const run::RunReader& run,
                            const ClaimOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(run.path(), error);
  if (error.value() == ENOSPC || error.value() == EDQUOT) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot create run directory ", run.path(), ": ", error.message()));
  }
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dir: cannot create run directory ", run.path(), ": ",
                     error.message()));
  }
  AHA_RETURN_IF_ERROR(LockRun(run, options));
  return WaitForOldProcesses(run, options);
}

}  // namespace aha::cli
