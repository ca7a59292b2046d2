// The Cluster over gRPC: control calls on the member's channel, weights on a
// channel of their own.
//
// A session begins with NextStage.  The calls of a session carry the identity
// that NextStage had; once this process has joined again they return ABORTED
// without being sent, so a step of an old session is never committed to a new
// coordinator.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "aha/v1/weights.pb.h"
#include "base/cancellation.h"
#include "base/mutex.h"
#include "cluster/member.h"
#include "learner/cluster.h"
#include "rpc/client.h"

namespace aha::learner {

class RpcCluster : public Cluster {
 public:
  // `member` has joined; it is not owned.
  static absl::StatusOr<std::unique_ptr<RpcCluster>> Create(
      rpc::Member* member, const rpc::ClientOptions& coordinator,
      uint32_t rank);

  absl::StatusOr<v1::NextStageResponse> NextStage() override;
  absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(uint32_t stage,
                                                      uint64_t step) override;
  absl::StatusOr<uint64_t> Progress(uint32_t stage, uint64_t step) override;
  absl::Status CommitStep(v1::CommitStepRequest request) override;
  absl::Status CommitCheckpoint(v1::CommitCheckpointRequest request) override;
  absl::Status Publish(const WeightsId& id, const Parameters& weights,
                       const Hash128& checksum) override;
  void Report(bool fatal, const std::string& message) override;
  uint64_t epoch() const override ABSL_LOCKS_EXCLUDED(mutex_);
  void SetWaitingFor(const std::string& what) override
      ABSL_LOCKS_EXCLUDED(mutex_);

  // For heartbeats.
  std::string waiting_for() const ABSL_LOCKS_EXCLUDED(mutex_);
  ~RpcCluster() override;
  // Ends polls (NextStage, BeginStep); what is being published or committed
  // gets a few seconds more.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::StatusOr<v1::BeginStepResponse> AskStep(uint32_t stage, uint64_t step);
  RpcCluster(rpc::Member* member, std::unique_ptr<rpc::Client> bulk,
             uint32_t rank);
  rpc::MemberIdentity Session() const ABSL_LOCKS_EXCLUDED(mutex_);
  // ABORTED if this process joined again since the session began.
  absl::Status CheckSession() const;
  // Fills in the identity and calls.
  template <class Method, class Request, class Response>
  absl::Status Call(Method method, Request& request, Response* response,
                    const rpc::CallOptions& options);
  // What an answer means for the session: after FAILED_PRECONDITION (another
  // epoch, or the job stands elsewhere) and NOT_FOUND it is over.
  absl::Status Judge(const rpc::MemberIdentity& session, absl::Status status);
  absl::Status StreamWeights(rpc::WriteStream<v1::WeightsChunk>& stream,
                             const WeightsId& id, const Parameters& weights,
                             const Hash128& checksum);
  absl::Duration Patience() const;

  rpc::Member& member_;
  const std::unique_ptr<rpc::Client> bulk_;
  const uint32_t rank_;
  const absl::Duration wait_;  // cluster.wait_seconds
  rpc::Cancellation stopping_;
  rpc::Cancellation cancel_publish_;  // kStopGrace after stopping_.
  rpc::Cancellation destroyed_;       // Ends stop_timer_ early.
  mutable Mutex mutex_;
  rpc::MemberIdentity session_ ABSL_GUARDED_BY(mutex_);
  std::string waiting_for_ ABSL_GUARDED_BY(mutex_);
  // Cancels cancel_publish_ when the grace is over.
  std::thread stop_timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::learner
