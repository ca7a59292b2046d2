#include "rpc/health.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "rpc/status.h"

namespace aha::rpc {

struct HealthServer::State {
  // Answers UNIMPLEMENTED.  A builder without a service of the callback kind
  // would require completion queues.
  grpc::CallbackGenericService nothing;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

absl::StatusOr<std::unique_ptr<HealthServer>> HealthServer::Start(
    const std::string& listen) {
  grpc::EnableDefaultHealthCheckService(true);
  auto state = std::make_unique<State>();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(),
                           &state->port);
  builder.RegisterCallbackGenericService(&state->nothing);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || state->port == 0) {
    return absl::AlreadyExistsError(absl::StrCat(
        "--health-listen: cannot listen on ", listen,
        ": the port is in use, or the address is not this machine's"));
  }
  state->server->GetHealthCheckService()->SetServingStatus("liveness", true);
  auto health =
      std::unique_ptr<HealthServer>(new HealthServer(std::move(state)));
  health->SetReady(false);
  return health;
}

HealthServer::HealthServer(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

HealthServer::~HealthServer() {
  state_->server->Shutdown(std::chrono::system_clock::now());
  state_->server->Wait();
}

int HealthServer::port() const { return state_->port; }

void HealthServer::SetReady(bool ready) {
  auto* service = state_->server->GetHealthCheckService();
  service->SetServingStatus("readiness", ready);
  service->SetServingStatus("", ready);
}

absl::StatusOr<bool> IsServing(const std::string& address,
                               const std::string& service,
                               absl::Duration timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const auto stub = grpc::health::v1::Health::NewStub(grpc::CreateCustomChannel(
      address, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(timeout));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) {
    const absl::Status answer = FromGrpc(status, /*cancelled=*/false);
    return absl::Status(answer.code(),
                        absl::StrCat("health of ", service, " at ", address,
                                     ": ", answer.message()));
  }
  return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
}

}  // namespace aha::rpc
