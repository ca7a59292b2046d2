#include "coordinator/app.h"

#include <utility>

#include "base/status.h"
#include "rpc/security.h"

namespace aha::coordinator {

absl::StatusOr<std::unique_ptr<App>> App::Start(const AppOptions& options) {
  // Before the job is opened: a refusal of the address leaves no files.
  AHA_RETURN_IF_ERROR(
      rpc::CheckAllowed(options.flags.listen, options.flags.security));
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<HostedJob> job,
                       HostedJob::Open({.job = options.job,
                                        .run_directory = options.run_directory,
                                        .resume = options.resume,
                                        .lingers = options.flags.linger}));
  AHA_ASSIGN_OR_RETURN(
      std::unique_ptr<Host> host,
      Host::Start(options.flags,
                  RunArchive(options.job.name(), options.run_directory),
                  nullptr, absl::UnavailableError("the coordinator starts")));
  AHA_ASSIGN_OR_RETURN(HostedJob* const installed,
                       host->Install(std::move(job)));
  return std::unique_ptr<App>(new App(std::move(host), installed));
}

}  // namespace aha::coordinator
