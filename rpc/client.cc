#include "rpc/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "rpc/channel.h"
#include "rpc/server.h"
#include "rpc/status.h"
#include "rpc/stream.h"

namespace aha::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

absl::StatusOr<const MethodDescriptor*> FindMethod(absl::string_view name) {
  const MethodDescriptor* method =
      DescriptorPool::generated_pool()->FindMethodByName(std::string(name));
  if (method != nullptr) return method;
  return absl::InternalError(absl::StrCat("no such method: ", name));
}

absl::Status CheckType(const Descriptor* wanted, const Message& given) {
  if (wanted == given.GetDescriptor()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("wants ", wanted->full_name(),
                                          ", got ", given.GetTypeName()));
}

// "/aha.v1.Coordinator/Register"
std::string Path(const MethodDescriptor* method) {
  return absl::StrCat("/", method->service()->full_name(), "/", method->name());
}

struct Waiter {
  Mutex mutex;
  CondVar changed;
  bool done ABSL_GUARDED_BY(mutex) = false;
  grpc::Status status ABSL_GUARDED_BY(mutex);
};

bool MayRetry(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

grpc::ChannelArguments Arguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetString("aha.channel_kind", options.kind == ChannelKind::kControl
                                              ? "control"
                                              : "bulk");
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // By default gRPC's pause after a failed connection grows to 2 minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  // In spite of its name this is how long connecting may take, TLS included.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  if (const std::string& name = options.security.tls_server_name;
      !name.empty()) {
    arguments.SetSslTargetNameOverride(name);
  }
  return arguments;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(
    const ClientOptions& options) {
  AHA_ASSIGN_OR_RETURN(
      const std::shared_ptr<grpc::ChannelCredentials> credentials,
      ClientCredentials(options.address, options.security));
  return grpc::CreateCustomChannel(options.address, credentials,
                                   Arguments(options));
}

struct Client::State {
  std::string address;
  uint64_t jitter_key = 0;
  std::shared_ptr<grpc::Channel> channel;

  absl::Status Attempt(const MethodDescriptor* method, const Message& request,
                       Message* response, absl::Duration limit,
                       Cancellation* cancel) const;
};

absl::StatusOr<std::unique_ptr<Client>> Client::New(
    const ClientOptions& options) {
  auto state = std::make_unique<State>();
  state->address = options.address;
  state->jitter_key = JitterKey(options.address);
  AHA_ASSIGN_OR_RETURN(state->channel, NewChannel(options));
  return std::unique_ptr<Client>(new Client(std::move(state)));
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}

Client::~Client() = default;

const std::string& Client::address() const { return state_->address; }

absl::Status Client::State::Attempt(const MethodDescriptor* method,
                                    const Message& request, Message* response,
                                    absl::Duration limit,
                                    Cancellation* cancel) const {
  grpc::TemplatedGenericStub<Message, Message> stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(limit));
  Waiter waiter;
  const Cancellation::Registration registration(
      cancel, [&context] { context.TryCancel(); });
  const std::string path = Path(method);
  stub.UnaryCall(&context, path, {}, &request, response,
                 [&waiter](grpc::Status status) {
                   MutexLock lock(waiter.mutex);
                   waiter.status = std::move(status);
                   waiter.done = true;
                   waiter.changed.NotifyAll();
                 });
  MutexLock lock(waiter.mutex);
  while (!waiter.done) waiter.changed.Wait(waiter.mutex);
  return FromGrpc(waiter.status, cancel != nullptr && cancel->cancelled());
}

absl::Status Client::Call(absl::string_view name, const Message& request,
                          Message* response, const CallOptions& options) {
  AHA_ASSIGN_OR_RETURN(const MethodDescriptor* method, FindMethod(name));
  AHA_RETURN_IF_ERROR(CheckType(method->input_type(), request));
  AHA_RETURN_IF_ERROR(CheckType(method->output_type(), *response));
  const Clock clock = MonotonicClock();
  const absl::Time start = clock();
  for (int attempt = 0;; ++attempt) {
    const absl::Duration left =
        std::max(options.attempt, options.total) - (clock() - start);
    response->Clear();
    absl::Status status =
        state_->Attempt(method, request, response,
                        std::min(options.attempt, left), options.cancel);
    if (status.ok()) return status;
    const bool cancelled =
        options.cancel != nullptr && options.cancel->cancelled();
    const absl::Duration pause = kCallBackoff.Wait(attempt, state_->jitter_key);
    const absl::Duration waited = clock() - start;
    if (cancelled || !MayRetry(status) || waited + pause >= options.total) {
      return absl::Status(
          cancelled ? absl::StatusCode::kCancelled : status.code(),
          absl::StrCat(
              method->name(), " at ", state_->address, ": ", status.message(),
              " (waited ",
              absl::FormatDuration(absl::Trunc(waited, absl::Milliseconds(1))),
              ")"));
    }
    if (options.cancel != nullptr) {
      options.cancel->SleepFor(pause);
    } else {
      absl::SleepFor(pause);
    }
  }
}

absl::StatusOr<std::unique_ptr<Stream>> Client::Open(
    absl::string_view name, const StreamOptions& options) {
  AHA_ASSIGN_OR_RETURN(const MethodDescriptor* method, FindMethod(name));
  auto reactor = std::make_unique<Stream::Reactor>(
      method, state_->address, state_->channel, Path(method), options);
  return std::unique_ptr<Stream>(new Stream(std::move(reactor)));
}

}  // namespace aha::rpc
