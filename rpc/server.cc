#include "rpc/server.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/mutex.h"
#include "base/status.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"

namespace aha::rpc {
namespace {

// The clients' channels (client.cc) rely on this: a ping every 20 s is allowed,
// also without calls.
void SetKeepalive(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
}

}  // namespace

struct Server::State {
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  std::string address;
  HealthServer* health = nullptr;
  Mutex mutex;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServerOptions& options, const std::vector<grpc::Service*>& services) {
  AHA_ASSIGN_OR_RETURN(
      const std::shared_ptr<grpc::ServerCredentials> credentials,
      ServerSideCredentials(options.listen, options.security));
  static std::once_flag plugins;
  std::call_once(plugins, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
  auto state = std::make_unique<State>();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // By default gRPC lets two processes listen on one port and share its calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Only reflection uses synchronous handlers.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  SetKeepalive(builder);
  builder.AddListeningPort(options.listen, credentials, &state->port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr ||
      (state->port == 0 && options.listen.rfind("unix:", 0) != 0)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "cannot listen on ", options.listen,
        ": the port is in use, or the address is not this machine's"));
  }
  state->address =
      DialAddress(options.listen, options.advertise_host, state->port);
  state->health = options.health;
  auto server = std::unique_ptr<Server>(new Server(std::move(state)));
  server->SetAlive(true);
  server->SetReady(false);
  return server;
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

int Server::port() const { return state_->port; }

const std::string& Server::address() const { return state_->address; }

void Server::SetReady(bool ready) {
  auto* health = state_->server->GetHealthCheckService();
  health->SetServingStatus("readiness", ready);
  health->SetServingStatus("", ready);
  if (state_->health != nullptr) state_->health->SetReady(ready);
}

void Server::SetAlive(bool alive) {
  state_->server->GetHealthCheckService()->SetServingStatus("liveness", alive);
}

void Server::Shutdown(absl::Duration grace) {
  {
    MutexLock lock(state_->mutex);
    if (state_->stopped) return;
    state_->stopped = true;
  }
  if (state_->health != nullptr) state_->health->SetReady(false);
  state_->server->GetHealthCheckService()->Shutdown();
  state_->server->Shutdown(std::chrono::system_clock::now() +
                           absl::ToChronoMilliseconds(grace));
  state_->server->Wait();
}

}  // namespace aha::rpc
