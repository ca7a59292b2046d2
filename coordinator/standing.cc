#include "coordinator/standing.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/app.h"
#include "coordinator/idle_server.h"
#include "coordinator/submission.h"
#include "rpc/security.h"
#include "run/layout.h"
#include "run/processes.h"

namespace aha::coordinator {
namespace {

class Standing {
 public:
  Standing(rpc::ServiceFlags flags, Submissions& submissions,
           rpc::Cancellation& stop)
      : flags_(std::move(flags)), submissions_(submissions), stop_(stop) {}

  absl::Status Run() {
    // After a crash or a stop, the job that this coordinator had.
    absl::StatusOr<std::optional<v1::Job>> current = submissions_.Current();
    if (absl::IsInvalidArgument(current.status())) {
      GiveUp(current.status().message());
      current = std::optional<v1::Job>();
    }
    AHA_ASSIGN_OR_RETURN(std::optional<v1::Job> job, std::move(current));
    while (!stop_.cancelled()) {
      if (job.has_value()) {
        AHA_RETURN_IF_ERROR(RunJob(*job));
        job.reset();
      } else {
        AHA_ASSIGN_OR_RETURN(job, AwaitJob());
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::optional<v1::Job>> AwaitJob() {
    AHA_ASSIGN_OR_RETURN(
        const std::unique_ptr<IdleServer> server,
        IdleServer::Start(flags_, submissions_, std::exchange(failure_, "")));
    AHA_RETURN_IF_ERROR(KeepAddress(server->address(), server->port()));
    AHA_LOG(kInfo) << "waits for a job at " << server->address() << ", runs in "
                   << submissions_.root().path();
    const rpc::Cancellation::Registration interrupt(
        &stop_, [&] { server->Interrupt(); });
    return server->Wait();
  }

  absl::Status RunJob(const v1::Job& job) {
    AppOptions options;
    options.flags = flags_;
    options.job = job;
    options.run_directory = submissions_.DirectoryOf(job);
    options.runs = submissions_.root().path();
    options.resume = true;  // A new run has nothing, and so it begins.
    absl::StatusOr<std::unique_ptr<App>> app = App::Start(options);
    if (!app.ok()) {
      // Only these will be the same the next time.  A port that is taken or a
      // full disk is a failure of the cluster, and the job is kept for later.
      if (!absl::IsInvalidArgument(app.status()) &&
          !absl::IsFailedPrecondition(app.status())) {
        return app.status();
      }
      GiveUp(absl::StrCat(job.name(), ": ", app.status().message()));
      return absl::OkStatus();
    }
    AHA_RETURN_IF_ERROR(KeepAddress((*app)->address(), (*app)->port()));
    const rpc::Cancellation::Registration interrupt(
        &stop_, [&] { (*app)->Interrupt(); });
    (*app)->Wait();
    if ((*app)->Ended()) submissions_.Forget();
    return absl::OkStatus();
  }

  // The current job cannot be begun or continued, neither now nor later.
  void GiveUp(absl::string_view why) {
    failure_ = std::string(why);
    AHA_LOG(kError) << failure_;
    submissions_.Forget();
  }

  // From now on every server of this process listens at this port.
  absl::Status KeepAddress(const std::string& address, int port) {
    if (address_kept_) return absl::OkStatus();
    address_kept_ = true;
    AHA_ASSIGN_OR_RETURN(const HostPort listen, ParseAddress(flags_.listen));
    const bool v6 = listen.host.find(':') != std::string::npos;
    flags_.listen =
        absl::StrCat(v6 ? "[" : "", listen.host, v6 ? "]" : "", ":", port);
    return submissions_.root().WriteWhole(
        run::kEndpointFile,
        run::EndpointText({.address = address, .pid = getpid()}));
  }

  rpc::ServiceFlags flags_;
  Submissions& submissions_;
  rpc::Cancellation& stop_;
  std::string failure_;
  bool address_kept_ = false;
};

}  // namespace

absl::Status RunStanding(rpc::ServiceFlags flags, const std::string& root,
                         rpc::Cancellation& stop) {
  AHA_RETURN_IF_ERROR(rpc::CheckAllowed(flags.listen, flags.security));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Submissions> submissions,
                       Submissions::Open(root));
  absl::Status status = Standing(std::move(flags), *submissions, stop).Run();
  submissions->root().Remove(run::kEndpointFile);
  return status;
}

}  // namespace aha::coordinator
