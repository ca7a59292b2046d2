#include "rpc/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/status.h"
#include "grpcpp/grpcpp.h"
#include "rpc/server.h"
#include "rpc/status.h"

namespace aha::rpc {
namespace {

bool MayRetry(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// gRPC has no code for it.
bool IsRefused(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable &&
         absl::StrContains(status.message(), "Connection refused");
}

absl::Status Attempt(
    absl::Duration limit, Cancellation* cancel,
    absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(limit));
  const Cancellation::Registration registration(
      cancel, [&context] { context.TryCancel(); });
  const grpc::Status status = call(&context);
  return FromGrpc(status, cancel != nullptr && cancel->cancelled());
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

absl::StatusOr<std::unique_ptr<Client>> Client::New(
    const ClientOptions& options) {
  AHA_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                       NewChannel(options));
  return std::unique_ptr<Client>(
      new Client(options.address, std::move(channel)));
}

Client::Client(const std::string& address,
               std::shared_ptr<grpc::Channel> channel)
    : address_(address),
      jitter_key_(JitterKey(address)),
      channel_(std::move(channel)) {}

absl::Status Client::Retry(
    const MethodMessages& method, const CallOptions& options,
    absl::FunctionRef<grpc::Status(grpc::ClientContext*)> attempt_once) const {
  const Clock clock = MonotonicClock();
  const absl::Time start = clock();
  for (int attempt = 0;; ++attempt) {
    const absl::Duration left =
        std::max(options.attempt, options.total) - (clock() - start);
    const absl::Status status =
        Attempt(std::min(options.attempt, left), options.cancel, attempt_once);
    if (status.ok()) return status;
    const bool cancelled =
        options.cancel != nullptr && options.cancel->cancelled();
    const absl::Duration pause = kCallBackoff.Wait(attempt, jitter_key_);
    const absl::Duration waited = clock() - start;
    const bool hopeless =
        !MayRetry(status) || (!options.retry_refused && IsRefused(status));
    if (cancelled || hopeless || waited + pause >= options.total) {
      return absl::Status(
          cancelled ? absl::StatusCode::kCancelled : status.code(),
          absl::StrCat(
              MethodName(method), " at ", address_, ": ", status.message(),
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

}  // namespace aha::rpc
