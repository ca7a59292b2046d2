// The insides of actor.h, shared by actor.cc (what happens when) and
// actor_leases.cc (the two threads that deal with leases).
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "actor/actor.h"
#include "actor/lease_book.h"
#include "actor/rate_meter.h"
#include "actor/reward_links.h"
#include "actor/rollout_engine.h"
#include "actor/rollout_metrics.h"
#include "actor/weight_store.h"
#include "actor/weights_fetcher.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace aha::actor {

struct Actor::Impl {
  explicit Impl(const ActorParts& p);

  EngineEvents MakeEngineEvents();
  WeightsFetcherEvents MakeFetcherEvents();
  RewardLinkEvents MakeLinkEvents();
  rpc::MemberEvents MakeMemberEvents();

  absl::Status Run(rpc::Cancellation& stop);
  void Shutdown();

  // Lease thread.
  void LeaseLoop();
  int64_t Room() const;
  bool WaitForRoom();
  absl::Status LeaseOnce();
  absl::Status Accept(v1::Lease lease);

  // Completion thread.
  void CompleteLoop();
  void Complete(uint64_t lease, const GroupId& group);

  void OnSample(const Sample& sample);
  void OnAck(const std::string& replica, const v1::GroupAck& ack);
  void Refused(uint64_t lease, const GroupId& group, const absl::Status& why);
  void NotTaken(uint64_t lease, const GroupId& group,
                const std::string& replica, const absl::Status& why);
  void OnDirective(v1::Directive directive);
  void OnRejoined();
  std::vector<std::string> Replicas() const;
  std::string WaitingFor() const;
  void Fail(const absl::Status& status);
  void Forget(uint64_t lease);
  void EndIfDrained();
  void Signal();

  const ActorParts parts;
  rpc::Member& member;
  const int64_t max_rows;
  const int64_t largest_group;
  const absl::Duration patience;
  const Clock clock = MonotonicClock();
  RolloutMetrics metrics;
  RateMeter rate{clock};
  std::atomic<uint64_t> sampled_tokens{0};
  WeightStore store;
  LeaseBook book{clock};
  RolloutEngine engine;
  rpc::Cancellation ended;  // Ends this actor's own waits.
  std::unique_ptr<rpc::Client> bulk;

  Mutex mutex;
  CondVar changed;
  bool draining ABSL_GUARDED_BY(mutex) = false;
  absl::Status failure ABSL_GUARDED_BY(mutex);
  std::deque<std::pair<uint64_t, GroupId>> completions ABSL_GUARDED_BY(mutex);
  // How often a group of the latest steps was refused as malformed.
  std::map<GroupId, int> refusals ABSL_GUARDED_BY(mutex);
  // Cut short when draining begins.
  rpc::Cancellation lease_calls;

  std::unique_ptr<RewardLinks> links;
  std::unique_ptr<WeightsFetcher> fetcher;
  std::thread lease_thread;
  std::thread complete_thread;
};

}  // namespace aha::actor
