#include "learner/rpc_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/weights.grpc.pb.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "job/weights_encoding.h"

namespace aha::learner {
namespace {

constexpr absl::Duration kPoll = absl::Seconds(5);       // wait_ms of a poll.
constexpr absl::Duration kPollSlack = absl::Seconds(5);  // Beyond it.
constexpr absl::Duration kStopGrace = absl::Seconds(5);  // While stopping.
constexpr absl::Duration kRejoinPause = absl::Seconds(2);

}  // namespace

absl::StatusOr<std::unique_ptr<RpcCluster>> RpcCluster::Create(
    rpc::Member* member, const rpc::ClientOptions& coordinator, uint32_t rank) {
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<rpc::Client> bulk,
                       rpc::Client::New({.address = coordinator.address,
                                         .kind = rpc::ChannelKind::kBulk,
                                         .security = coordinator.security}));
  return std::unique_ptr<RpcCluster>(
      new RpcCluster(member, std::move(bulk), rank));
}

RpcCluster::RpcCluster(rpc::Member* member, std::unique_ptr<rpc::Client> bulk,
                       uint32_t rank)
    : member_(*member),
      bulk_(std::move(bulk)),
      rank_(rank),
      wait_(absl::Seconds(member->job().cluster().wait_seconds())),
      session_(member->identity()) {}

RpcCluster::~RpcCluster() {
  destroyed_.Cancel();
  std::thread stop_timer;
  {
    MutexLock lock(mutex_);
    stop_timer = std::move(stop_timer_);
  }
  if (stop_timer.joinable()) stop_timer.join();
}

void RpcCluster::Stop() {
  stopping_.Cancel();
  MutexLock lock(mutex_);
  if (stop_timer_.joinable()) return;
  stop_timer_ = std::thread([this] {
    if (!destroyed_.SleepFor(kStopGrace)) cancel_publish_.Cancel();
  });
}

rpc::MemberIdentity RpcCluster::Session() const {
  MutexLock lock(mutex_);
  return session_;
}

absl::Status RpcCluster::CheckSession() const {
  const rpc::MemberIdentity session = Session();
  const rpc::MemberIdentity now = member_.identity();
  if (now.member_id == session.member_id && now.epoch == session.epoch) {
    return absl::OkStatus();
  }
  return absl::AbortedError(absl::StrCat(
      "joined again as member ", now.member_id, " of epoch ", now.epoch));
}

absl::Duration RpcCluster::Patience() const {
  return stopping_.cancelled() ? kStopGrace : wait_;
}

absl::Status RpcCluster::Judge(const rpc::MemberIdentity& session,
                               absl::Status status) {
  if (status.ok()) return status;
  if (stopping_.cancelled()) return absl::CancelledError("stopping");
  AHA_RETURN_IF_ERROR(CheckSession());
  if (!absl::IsFailedPrecondition(status) && !absl::IsNotFound(status)) {
    return status;
  }
  AHA_LOG(kWarning) << "the coordinator refused: " << status;
  if (absl::IsNotFound(status)) member_.Rejoin(session);
  // The heartbeats detect a new epoch; the learner finds out anything else (the
  // job is at another position) by calling NextStage.
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + kRejoinPause;
  while (clock() < deadline) {
    AHA_RETURN_IF_ERROR(CheckSession());
    if (stopping_.SleepFor(absl::Milliseconds(50))) {
      return absl::CancelledError("stopping");
    }
  }
  return absl::AbortedError(status.message());
}

template <class Method, class Request, class Response>
absl::Status RpcCluster::Call(Method method, Request& request,
                              Response* response,
                              const rpc::CallOptions& options) {
  AHA_RETURN_IF_ERROR(CheckSession());
  const rpc::MemberIdentity session = Session();
  request.set_member_id(session.member_id);
  request.set_epoch(session.epoch);
  return Judge(session,
               member_.coordinator().Call(method, request, response, options));
}

absl::StatusOr<v1::NextStageResponse> RpcCluster::NextStage() {
  {
    const rpc::MemberIdentity now = member_.identity();
    MutexLock lock(mutex_);
    session_ = now;
  }
  v1::NextStageRequest request;
  request.set_rank(rank_);
  request.set_wait_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(kPoll)));
  v1::NextStageResponse response;
  AHA_RETURN_IF_ERROR(Call(
      &v1::Coordinator::Stub::NextStage, request, &response,
      {.attempt = kPoll + kPollSlack, .total = wait_, .cancel = &stopping_}));
  return response;
}

absl::StatusOr<v1::BeginStepResponse> RpcCluster::AskStep(uint32_t stage,
                                                          uint64_t step) {
  v1::BeginStepRequest request;
  request.set_stage(stage);
  request.set_step(step);
  request.set_wait_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(kPoll)));
  v1::BeginStepResponse response;
  AHA_RETURN_IF_ERROR(Call(
      &v1::Coordinator::Stub::BeginStep, request, &response,
      {.attempt = kPoll + kPollSlack, .total = wait_, .cancel = &stopping_}));
  return response;
}

absl::StatusOr<v1::BeginStepResponse::Go> RpcCluster::BeginStep(uint32_t stage,
                                                                uint64_t step) {
  AHA_ASSIGN_OR_RETURN(const v1::BeginStepResponse response,
                       AskStep(stage, step));
  return response.go();
}

absl::StatusOr<uint64_t> RpcCluster::Progress(uint32_t stage, uint64_t step) {
  AHA_ASSIGN_OR_RETURN(const v1::BeginStepResponse response,
                       AskStep(stage, step));
  return response.progress();
}

absl::Status RpcCluster::CommitStep(v1::CommitStepRequest request) {
  v1::CommitStepResponse response;
  return Call(&v1::Coordinator::Stub::CommitStep, request, &response,
              {.total = Patience()});
}

absl::Status RpcCluster::CommitCheckpoint(v1::CommitCheckpointRequest request) {
  v1::CommitCheckpointResponse response;
  return Call(&v1::Coordinator::Stub::CommitCheckpoint, request, &response,
              {.total = Patience()});
}

absl::Status RpcCluster::StreamWeights(
    rpc::WriteStream<v1::WeightsChunk>& stream, const WeightsId& id,
    const Parameters& weights, const Hash128& checksum) {
  const std::string header = SafetensorsHeader(weights);
  const size_t body = static_cast<size_t>(weights.bytes());
  v1::WeightsChunk chunk;
  *chunk.mutable_id() = id.ToProto();
  chunk.set_encoding(v1::WEIGHTS_ENCODING_FULL);
  const rpc::MemberIdentity session = Session();
  chunk.set_epoch(session.epoch);
  chunk.set_member_id(session.member_id);
  chunk.set_total_bytes(header.size() + body);
  chunk.set_checksum(checksum.ToBytes());
  uint64_t offset = 0;
  const auto send = [&](const char* data, size_t size) -> absl::Status {
    for (size_t begin = 0; begin < size; begin += kMaxWeightsChunk) {
      const size_t count = std::min<size_t>(kMaxWeightsChunk, size - begin);
      chunk.set_offset(offset);
      chunk.set_data(data + begin, count);
      chunk.set_data_hash(Hash64(data + begin, count));
      AHA_RETURN_IF_ERROR(stream.Write(chunk));
      offset += count;
    }
    return absl::OkStatus();
  };
  AHA_RETURN_IF_ERROR(send(header.data(), header.size()));
  return send(static_cast<const char*>(weights.data()), body);
}

absl::Status RpcCluster::Publish(const WeightsId& id, const Parameters& weights,
                                 const Hash128& checksum) {
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + wait_;
  const uint64_t jitter_key = JitterKey("publish");
  for (int attempt = 0;; ++attempt) {
    AHA_RETURN_IF_ERROR(CheckSession());
    const rpc::MemberIdentity session = Session();
    v1::PublishResponse response;
    const auto stream =
        bulk_->Open(&v1::Weights::Stub::Publish, &response,
                    {.deadline = wait_, .cancel = &cancel_publish_});
    absl::Status status = StreamWeights(*stream, id, weights, checksum);
    if (status.ok()) status = stream->WritesDone();
    // If the stream broke, the peer's status says why.
    const absl::Status verdict = stream->Finish();
    if (status.ok() || !verdict.ok()) status = verdict;
    // RESOURCE_EXHAUSTED: the coordinator's disk is full; it may be cleared.
    const bool transient = absl::IsUnavailable(status) ||
                           absl::IsDeadlineExceeded(status) ||
                           absl::IsResourceExhausted(status);
    if (!transient || stopping_.cancelled() || clock() >= deadline) {
      SetWaitingFor("");
      return Judge(session, status);
    }
    // The status of the job shows what delays it, for example a full disk.
    SetWaitingFor(
        absl::StrCat("its weights to be accepted: ", status.message()));
    AHA_LOG(kWarning) << "publishing weights " << id.ToString()
                      << " again: " << status;
    stopping_.SleepFor(kCallBackoff.Wait(attempt, jitter_key));
  }
}

void RpcCluster::Report(bool fatal, const std::string& message) {
  const absl::Status status = member_.Report(fatal, message);
  if (!status.ok()) {
    AHA_LOG(kWarning) << "could not report \"" << message << "\": " << status;
  }
}

uint64_t RpcCluster::epoch() const {
  MutexLock lock(mutex_);
  return session_.epoch;
}

void RpcCluster::SetWaitingFor(const std::string& what) {
  MutexLock lock(mutex_);
  waiting_for_ = what;
}

std::string RpcCluster::waiting_for() const {
  MutexLock lock(mutex_);
  return waiting_for_;
}

}  // namespace aha::learner
