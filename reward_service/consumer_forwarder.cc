#include "reward_service/consumer_forwarder.h"

#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "aha/v1/rollout.grpc.pb.h"
#include "base/cancellation.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "rpc/client.h"
#include "rpc/server.h"

namespace aha::reward {
namespace {

struct Item {
  std::shared_ptr<const v1::DeliverRequest> message;
  std::function<bool()> wanted;
  std::function<void(absl::Status)> done;
  absl::Time came;
  absl::Time deadline;
  int attempts = 0;  // That the consumer did not take.
};

bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct ConsumerForwarder::Impl {
  struct Lane {
    std::string address;
    Mutex mutex;
    CondVar changed;
    bool stopping ABSL_GUARDED_BY(mutex) = false;
    // By the time at which each may be tried next.
    std::multimap<absl::Time, Item> items ABSL_GUARDED_BY(mutex);
    uint64_t jitter_key = 0;
    std::unique_ptr<rpc::Client> client;
    std::thread thread;
  };

  explicit Impl(Options o) : options(std::move(o)) {}

  enum class Turn { kItem, kIdle, kStop };
  // Waits until an item may be tried, the lane is idle, or it stops.
  Turn Next(Lane& lane, Item* item);
  // Moves the lane to `retired` unless an item came meanwhile.
  bool Retire(Lane& lane);
  absl::Status Attempt(Lane& lane, const Item& item);
  void Serve(Lane& lane);
  void Handle(Lane& lane, Item item);
  void StepBack(Lane& lane, Item item, absl::Time turn,
                const absl::Status& status);
  // The lane of the address, made if it is new; null if there are too many.
  Lane* Find(const std::string& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  const Options options;
  const Clock clock = MonotonicClock();
  rpc::Cancellation cancel;
  Mutex mutex;  // Is locked before a lane's.
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  absl::Duration patience ABSL_GUARDED_BY(mutex) = absl::Seconds(300);
  absl::flat_hash_map<std::string, std::unique_ptr<Lane>> lanes
      ABSL_GUARDED_BY(mutex);
  // The threads of these lanes have ended, or are about to.
  std::vector<std::unique_ptr<Lane>> retired ABSL_GUARDED_BY(mutex);
};

ConsumerForwarder::Impl::Turn ConsumerForwarder::Impl::Next(Lane& lane,
                                                            Item* item) {
  const absl::Time idle_at = clock() + options.idle;
  MutexLock lock(lane.mutex);
  for (;;) {
    if (lane.stopping) return Turn::kStop;
    const absl::Time now = clock();
    const absl::Time turn =
        lane.items.empty() ? idle_at : lane.items.begin()->first;
    if (turn > now) {
      lane.changed.WaitFor(lane.mutex, turn - now);
      continue;
    }
    if (lane.items.empty()) return Turn::kIdle;
    *item = std::move(lane.items.begin()->second);
    lane.items.erase(lane.items.begin());
    return Turn::kItem;
  }
}

bool ConsumerForwarder::Impl::Retire(Lane& lane) {
  MutexLock lock(mutex);
  MutexLock lane_lock(lane.mutex);
  if (lane.stopping || !lane.items.empty()) return false;
  const auto it = lanes.find(lane.address);
  retired.push_back(std::move(it->second));
  lanes.erase(it);
  return true;
}

absl::Status ConsumerForwarder::Impl::Attempt(Lane& lane, const Item& item) {
  // gRPC would answer RESOURCE_EXHAUSTED, which a full consumer answers too, so
  // it would be tried again in vain.
  if (const size_t bytes = item.message->ByteSizeLong();
      bytes > rpc::kMaxMessageBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a group must have at most ", rpc::kMaxMessageBytes, " bytes, has ",
        bytes, ": lower num_generations or max_completion_length"));
  }
  if (lane.client == nullptr) {
    auto client = rpc::Client::New({.address = lane.address,
                                    .kind = rpc::ChannelKind::kBulk,
                                    .security = options.security});
    if (!client.ok()) return client.status();
    lane.client = *std::move(client);
  }
  v1::DeliverResponse response;
  return lane.client->Call(&v1::GroupSink::Stub::Deliver, *item.message,
                           &response,
                           {.attempt = options.attempt,
                            .total = absl::ZeroDuration(),
                            .cancel = &cancel});
}

void ConsumerForwarder::Impl::Serve(Lane& lane) {
  for (;;) {
    Item item;
    const Turn turn = Next(lane, &item);
    if (turn == Turn::kItem) Handle(lane, std::move(item));
    if (turn == Turn::kIdle && Retire(lane)) return;
    if (turn == Turn::kStop) break;
  }
  std::multimap<absl::Time, Item> left;
  {
    MutexLock lock(lane.mutex);
    left.swap(lane.items);
  }
  for (auto& [turn, dropped] : left) {
    dropped.done(absl::CancelledError("shutting down"));
  }
}

void ConsumerForwarder::Impl::Handle(Lane& lane, Item item) {
  if (!item.wanted()) return item.done(absl::CancelledError("given up"));
  const absl::Status status = Attempt(lane, item);
  const absl::Time now = clock();
  const absl::Time turn =
      now + options.backoff.Wait(item.attempts, lane.jitter_key);
  if (IsFinal(status)) {
    if (options.waited) options.waited(now - item.came);
    item.done(status);
  } else if (cancel.cancelled()) {
    item.done(absl::CancelledError("shutting down"));
  } else if (turn > item.deadline) {
    item.done(absl::UnavailableError(absl::StrCat(
        "consumer ", lane.address, " has not taken the group for ",
        absl::FormatDuration(absl::Trunc(now - item.came, absl::Seconds(1))),
        "; last answer: ", status.ToString())));
  } else {
    StepBack(lane, std::move(item), turn, status);
  }
}

void ConsumerForwarder::Impl::StepBack(Lane& lane, Item item, absl::Time turn,
                                       const absl::Status& status) {
  if (item.attempts++ == 0) {
    AHA_LOG(kInfo) << "consumer " << lane.address
                   << " does not take a group yet: " << status.ToString();
  }
  MutexLock lock(lane.mutex);
  lane.items.emplace(turn, std::move(item));
}

ConsumerForwarder::Impl::Lane* ConsumerForwarder::Impl::Find(
    const std::string& address) {
  if (const auto it = lanes.find(address); it != lanes.end()) {
    return it->second.get();
  }
  if (lanes.size() >= options.max_lanes) return nullptr;
  std::unique_ptr<Lane>& lane = lanes[address];
  lane = std::make_unique<Lane>();
  lane->address = address;
  lane->jitter_key = JitterKey(address);
  lane->thread = std::thread([this, l = lane.get()] { Serve(*l); });
  return lane.get();
}

ConsumerForwarder::ConsumerForwarder(Options options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

ConsumerForwarder::~ConsumerForwarder() { Stop(); }

void ConsumerForwarder::SetPatience(absl::Duration patience) {
  MutexLock lock(impl_->mutex);
  impl_->patience = patience;
}

size_t ConsumerForwarder::lanes() const {
  MutexLock lock(impl_->mutex);
  return impl_->lanes.size();
}

void ConsumerForwarder::Deliver(
    std::shared_ptr<const v1::DeliverRequest> message,
    std::function<bool()> wanted, std::function<void(absl::Status)> done) {
  const std::string address = message->group().context().consumer();
  const absl::Time now = impl_->clock();
  // They are joined below, without the lock, for which their threads may wait.
  std::vector<std::unique_ptr<Impl::Lane>> retired;
  Item item{std::move(message), std::move(wanted), std::move(done), now,
            /*deadline=*/now};
  std::optional<Item> refused;
  {
    MutexLock lock(impl_->mutex);
    // After Stop there is no use for the answer any more.
    if (impl_->stopped) return;
    retired.swap(impl_->retired);
    item.deadline = now + impl_->patience;
    if (Impl::Lane* const lane = impl_->Find(address); lane != nullptr) {
      MutexLock lane_lock(lane->mutex);
      lane->items.emplace(now, std::move(item));
      lane->changed.NotifyAll();
    } else {
      refused = std::move(item);
    }
  }
  for (const auto& lane : retired) lane->thread.join();
  if (refused) {
    refused->done(absl::UnavailableError(
        absl::StrCat("no lane for consumer ", address, ": there are ",
                     impl_->options.max_lanes, " already")));
  }
}

void ConsumerForwarder::Stop() {
  std::vector<Impl::Lane*> lanes;
  {
    MutexLock lock(impl_->mutex);
    impl_->stopped = true;
    for (auto& [address, lane] : impl_->lanes) lanes.push_back(lane.get());
    for (auto& lane : impl_->retired) lanes.push_back(lane.get());
  }
  impl_->cancel.Cancel();
  for (Impl::Lane* lane : lanes) {
    {
      MutexLock lock(lane->mutex);
      lane->stopping = true;
      lane->changed.NotifyAll();
    }
    if (lane->thread.joinable()) lane->thread.join();
  }
}

}  // namespace aha::reward
