// The pipeline is the reward service without its wire: it takes trajectories
// and delivers scored groups.
//
//   1. Receive takes a request of a stream; the assembler holds it.
//   2. A worker hands each trajectory to the scorer, which may take a while.
//   3. When a group is whole, the forwarder delivers it to its consumer.
//   4. The answer is acknowledged on every stream that opened the group.
//
// Invariants:
//  * A group is acknowledged OK only after its consumer has it.
//  * An infrastructure error is an UNAVAILABLE ack, never a reward.
//  * What is held is bounded by max_bytes plus the credit that was granted.
//    Credit for a request is granted again once the request is scored and less
//    than max_bytes are held, so a consumer that is away holds the senders
//    back.
//
// Thread-safe.  Outbox, forwarder and workers are called without the lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "aha/v1/reward.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "reward_service/assembler.h"
#include "reward_service/scorer.h"

namespace aha::reward {

// Takes the answers.  Must not block; a stream that is gone is ignored.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void Send(StreamId stream, const v1::SubmitResponse& response) = 0;
};

// Hands whole groups to their consumers.
class Forwarder {
 public:
  virtual ~Forwarder() = default;
  // Tries to deliver until the consumer answers, `wanted` is false or the
  // forwarder's patience ends.  Then calls `done` once, from any thread,
  // perhaps before Deliver returns.  Must not block.
  virtual void Deliver(std::shared_ptr<const v1::DeliverRequest> message,
                       std::function<bool()> wanted,
                       std::function<void(absl::Status)> done) = 0;
};

// Runs a task on some thread, now or later.
using Executor = std::function<void(std::function<void()>)>;

struct PipelineOptions {
  uint64_t initial_credit = 8 << 20;  // Bytes that each stream begins with.
  uint64_t max_bytes = 256 << 20;
  absl::Duration partial_ttl = absl::Minutes(5);
};

// Called for metrics; each may be null.
struct PipelineStats {
  std::function<void(const Score& score, absl::Duration took)> scored = {};
  std::function<void(uint64_t bytes)> received = {};
  // From the last reward until the consumer has the group.
  std::function<void(absl::Duration took)> delivered = {};
  std::function<void(const absl::Status& error)> infra_error = {};
  // A malformed or contradictory message was refused.
  std::function<void(const absl::Status& error)> refused = {};
  std::function<void(uint64_t bytes)> pending_bytes = {};
};

class Pipeline {
 public:
  struct Parts {
    Executor executor;
    Forwarder* forwarder = nullptr;
    Outbox* outbox = nullptr;
    Clock clock;
    PipelineStats stats;
  };
  Pipeline(PipelineOptions options, Parts parts);

  // Until a scorer is set, every group is UNAVAILABLE.
  void SetScorer(Scorer scorer);
  // Sets the coordinator's epoch.  Groups of earlier epochs are given up.
  void SetEpoch(uint64_t epoch);
  // `callback` is called when a group of a later epoch comes, which means that
  // this replica should join again.
  void SetOnNewerEpoch(std::function<void()> callback);

  // Begins a stream, whose number the caller never used before.  Its first
  // credit is sent at once.
  void Connect(StreamId stream);
  // RESOURCE_EXHAUSTED: the request came without credit; the caller ends the
  // stream.
  absl::Status Receive(StreamId stream, const v1::SubmitRequest& request);
  void Disconnect(StreamId stream);

  // Gives up overdue partial groups.  Call every few seconds.
  void Tick();

  uint64_t pending_bytes() const;

 private:
  struct Stream {
    uint64_t owed = 0;    // Credit in bytes that is to be granted again.
    int64_t balance = 0;  // Bytes granted minus bytes received.
    // Groups that were acknowledged on this stream.  The sender may have sent
    // more of their trajectories before it read that.
    absl::flat_hash_set<GroupId> closed;
  };
  // What a function under the lock decides to do; Run does it without the lock.
  struct Effects;

  void Open(StreamId stream, const v1::GroupContext& context, Effects& effects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Add(StreamId stream, const v1::TrajectoryOf& message, uint64_t bytes,
           Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveUp(const GroupId& id, const absl::Status& why, Effects& effects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Ack(StreamId stream, const GroupId& id, const absl::Status& status,
           Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Owe(StreamId stream, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle(Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Effects effects) ABSL_LOCKS_EXCLUDED(mutex_);

  void ScoreOne(const Ticket& ticket, StreamId stream, uint64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The end of what ScoreOne began.
  void Scored(const Ticket& ticket, StreamId stream, uint64_t bytes,
              absl::StatusOr<Score> score) ABSL_LOCKS_EXCLUDED(mutex_);
  void Deliver(const WholeGroup& group) ABSL_LOCKS_EXCLUDED(mutex_);
  void Delivered(const WholeGroup& group, absl::Time whole,
                 const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  const PipelineOptions options_;
  const Parts parts_;

  mutable Mutex mutex_;
  Assembler assembler_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<StreamId, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  Scorer scorer_ ABSL_GUARDED_BY(mutex_);
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void()> on_newer_epoch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::reward
