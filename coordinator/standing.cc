#include "coordinator/standing.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/host.h"
#include "coordinator/hosted_job.h"
#include "coordinator/submission.h"
#include "rpc/security.h"
#include "run/layout.h"
#include "run/processes.h"

namespace aha::coordinator {
namespace {

// What calls get that need a job.  `failure`, if not empty, says why the last
// submission did not start.
absl::Status NoJob(const std::string& failure) {
  return absl::NotFoundError(absl::StrCat(
      "the cluster has no job; submit one with `ahactl submit JOB.yaml`",
      failure.empty() ? "" : "; the last one could not start: ", failure));
}

class Standing {
 public:
  Standing(Host& host, Submissions& submissions, rpc::Cancellation& stop)
      : host_(host), submissions_(submissions), stop_(stop) {}

  absl::Status Run() {
    const rpc::Cancellation::Registration interrupt(
        &stop_, [&] { submissions_.Interrupt(); });
    // After a crash or a stop, the job that this coordinator had.
    absl::StatusOr<std::optional<v1::Job>> current = submissions_.Current();
    if (absl::IsInvalidArgument(current.status())) {
      GiveUp(current.status().message());
      current = std::optional<v1::Job>();
    }
    AHA_ASSIGN_OR_RETURN(std::optional<v1::Job> job, std::move(current));
    while (!stop_.cancelled()) {
      if (job.has_value()) AHA_RETURN_IF_ERROR(RunJob(*job));
      if (stop_.cancelled()) break;
      AHA_LOG(kInfo) << "waits for a job at " << host_.address() << ", runs in "
                     << submissions_.root().path();
      job = submissions_.Next();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status RunJob(const v1::Job& job) {
    absl::StatusOr<std::unique_ptr<HostedJob>> opened = HostedJob::Open(
        {.job = job,
         .run_directory = submissions_.DirectoryOf(job),
         .resume = true,  // A new run has nothing, and so it begins.
         .standing = true});
    if (!opened.ok()) {
      // Only these will be the same the next time.  A full disk is a failure
      // of the machine, and the job is kept for later.
      if (!absl::IsInvalidArgument(opened.status()) &&
          !absl::IsFailedPrecondition(opened.status())) {
        return opened.status();
      }
      GiveUp(absl::StrCat(job.name(), ": ", opened.status().message()));
      return absl::OkStatus();
    }
    AHA_ASSIGN_OR_RETURN(HostedJob* const hosted,
                         host_.Install(*std::move(opened)));
    bool ended = false;
    {
      const rpc::Cancellation::Registration interrupt(
          &stop_, [&] { hosted->Interrupt(); });
      hosted->Wait();
      ended = hosted->Ended();
    }
    host_.Remove(NoJob(""));
    if (ended) submissions_.Forget();
    return absl::OkStatus();
  }

  // The current job cannot be begun or continued, neither now nor later.
  void GiveUp(absl::string_view why) {
    AHA_LOG(kError) << std::string(why);
    host_.Remove(NoJob(std::string(why)));
    submissions_.Forget();
  }

  Host& host_;
  Submissions& submissions_;
  rpc::Cancellation& stop_;
};

}  // namespace

absl::Status RunStanding(const rpc::ServiceFlags& flags,
                         const std::string& root,
                         const std::vector<std::string>& allowed_commands,
                         rpc::Cancellation& stop) {
  // Before the root is opened: a refusal of the address leaves no files.
  AHA_RETURN_IF_ERROR(rpc::CheckAllowed(flags.listen, flags.security));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Submissions> submissions,
                       Submissions::Open(root, allowed_commands));
  AHA_ASSIGN_OR_RETURN(
      const std::unique_ptr<Host> host,
      Host::Start(flags, RunArchive(root), submissions.get(), NoJob("")));
  AHA_RETURN_IF_ERROR(submissions->root().WriteWhole(
      run::kEndpointFile,
      run::EndpointText({.address = host->address(), .pid = getpid()})));
  absl::Status status = Standing(*host, *submissions, stop).Run();
  submissions->root().Remove(run::kEndpointFile);
  return status;
}

}  // namespace aha::coordinator
