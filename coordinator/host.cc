#include "coordinator/host.h"

#include <utility>

#include "base/status.h"
#include "cluster/servers.h"
#include "coordinator/admin_service.h"
#include "coordinator/coordinator_service.h"
#include "coordinator/job_slot.h"
#include "coordinator/weights_service.h"
#include "metrics/registry.h"

namespace aha::coordinator {

struct Host::State {
  State(RunArchive archive, Submissions* submissions, absl::Status why_empty)
      : slot(std::move(why_empty)),
        admin(slot, std::move(archive), submissions),
        coordinator(slot),
        sink(slot),
        weights(slot) {}

  metrics::Registry metrics{"aha-coordinator"};
  JobSlot slot;
  AdminService admin;
  CoordinatorService coordinator;
  SinkService sink;
  WeightsService weights;
  rpc::Servers servers;
};

absl::StatusOr<std::unique_ptr<Host>> Host::Start(
    const rpc::ServiceFlags& flags, RunArchive archive,
    Submissions* submissions, absl::Status why_empty) {
  auto state = std::make_unique<State>(std::move(archive), submissions,
                                       std::move(why_empty));
  AHA_ASSIGN_OR_RETURN(state->servers,
                       rpc::StartServers(flags, state->metrics,
                                         {&state->coordinator, &state->sink,
                                          &state->weights, &state->admin}));
  // A process that takes submissions is ready without a job.
  if (submissions != nullptr) state->servers.rpc->SetReady(true);
  return std::unique_ptr<Host>(new Host(std::move(state)));
}

Host::Host(std::unique_ptr<State> state) : state_(std::move(state)) {}

Host::~Host() {
  Remove(absl::UnavailableError("the coordinator stops"));
  // With time for the last answers to go out.
  state_->servers.rpc->Shutdown(absl::Seconds(1));
}

const std::string& Host::address() const {
  return state_->servers.rpc->address();
}
int Host::port() const { return state_->servers.rpc->port(); }

absl::StatusOr<HostedJob*> Host::Install(std::unique_ptr<HostedJob> job) {
  HostedJob* const installed = job.get();
  AHA_RETURN_IF_ERROR(
      installed->Begin(address(), state_->servers.metrics_address()));
  if (state_->servers.metrics != nullptr) {
    state_->servers.metrics->Add(installed->metrics());
  }
  state_->slot.Install(std::move(job));
  state_->servers.rpc->SetReady(true);
  return installed;
}

void Host::Remove(absl::Status why) { state_->slot.Remove(std::move(why)); }

}  // namespace aha::coordinator
