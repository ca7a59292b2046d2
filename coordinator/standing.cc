#include "coordinator/standing.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/app.h"
#include "coordinator/lobby.h"
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
    // The job of a coordinator that died; who is interrupted keeps it, too.
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
        const std::unique_ptr<Lobby> lobby,
        Lobby::Start(flags_, submissions_, std::exchange(problem_, "")));
    AHA_RETURN_IF_ERROR(Settle(lobby->address(), lobby->port()));
    AHA_LOG(kInfo) << "waits for a job at " << lobby->address() << ", runs in "
                   << submissions_.root().path();
    const rpc::Cancellation::Registration interrupt(
        &stop_, [&] { lobby->Interrupt(); });
    return lobby->Wait();
  }

  absl::Status RunJob(const v1::Job& job) {
    AppOptions options;
    options.flags = flags_;
    options.job = job;
    options.run_directory = submissions_.DirectoryOf(job);
    options.runs = submissions_.root().path();
    options.resume = true;  // Of a new run, which has nothing: its start.
    absl::StatusOr<std::unique_ptr<App>> app = App::Start(options);
    if (!app.ok()) {
      // Only these will be the same the next time.  A port that is taken, or a
      // full disk, is the cluster's problem, and the job stays for later.
      if (!absl::IsInvalidArgument(app.status()) &&
          !absl::IsFailedPrecondition(app.status())) {
        return app.status();
      }
      GiveUp(absl::StrCat(job.name(), ": ", app.status().message()));
      return absl::OkStatus();
    }
    AHA_RETURN_IF_ERROR(Settle((*app)->address(), (*app)->port()));
    const rpc::Cancellation::Registration interrupt(
        &stop_, [&] { (*app)->Interrupt(); });
    (*app)->Wait();
    if ((*app)->Ended()) submissions_.Forget();
    return absl::OkStatus();
  }

  // The current job cannot be begun or gone on with, now or later.
  void GiveUp(absl::string_view why) {
    problem_ = std::string(why);
    AHA_LOG(kError) << problem_;
    submissions_.Forget();
  }

  // From now on the port is this one, whoever serves.
  absl::Status Settle(const std::string& address, int port) {
    if (settled_) return absl::OkStatus();
    settled_ = true;
    AHA_ASSIGN_OR_RETURN(const rpc::HostPort listen,
                         rpc::ParseAddress(flags_.listen));
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
  std::string problem_;
  bool settled_ = false;
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
