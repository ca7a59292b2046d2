#include "rpc/health.h"

#include <google/protobuf/wrappers.pb.h>

#include <chrono>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "rpc/status.h"

namespace aha::rpc {

struct HealthServer::State {
  // Answers UNIMPLEMENTED.  Without any service of the callback kind a builder
  // asks for completion queues.
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
  // grpc.health.v1's request is one string and its answer one enum, both field
  // 1: the well-known wrappers have the same bytes.
  constexpr int kServing = 1;
  using Request = google::protobuf::StringValue;
  using Response = google::protobuf::Int32Value;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  grpc::TemplatedGenericStub<Request, Response> stub(grpc::CreateCustomChannel(
      address, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(timeout));
  Request request;
  request.set_value(service);
  Response response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(
      &context, "/grpc.health.v1.Health/Check", {}, &request, &response,
      [&done](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) {
    const absl::Status answer = FromGrpc(status, /*cancelled=*/false);
    return absl::Status(answer.code(),
                        absl::StrCat("health of ", service, " at ", address,
                                     ": ", answer.message()));
  }
  return response.value() == kServing;
}

}  // namespace aha::rpc
