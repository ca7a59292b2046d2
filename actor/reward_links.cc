#include "actor/reward_links.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "aha/v1/reward.grpc.pb.h"
#include "base/backoff.h"
#include "base/cancellation.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "rpc/client.h"

namespace aha::actor {
namespace {

// A link without work checks this often whether its replica still lives.
constexpr absl::Duration kIdle = absl::Minutes(1);
// A wait for credit is logged, and its replica checked, this often.
constexpr absl::Duration kCreditReportInterval = absl::Seconds(30);

using RewardStream = rpc::BidiStream<v1::SubmitRequest, v1::SubmitResponse>;

// The bytes that one open stream may still send.
class Credit {
 public:
  void Add(uint64_t bytes) {
    MutexLock lock(mutex_);
    bytes_ += static_cast<int64_t>(bytes);
    changed_.NotifyAll();
  }
  void Spend(uint64_t bytes) {
    MutexLock lock(mutex_);
    bytes_ -= static_cast<int64_t>(bytes);
  }
  void Break() {
    MutexLock lock(mutex_);
    broken_ = true;
    changed_.NotifyAll();
  }
  enum class State { kReady, kBroken, kNone };
  // Waits until something may be sent, for `limit` at most.
  State Wait(absl::Duration limit) {
    const absl::Time end = clock_() + limit;
    MutexLock lock(mutex_);
    while (bytes_ <= 0 && !broken_) {
      const absl::Duration left = end - clock_();
      if (left <= absl::ZeroDuration()) return State::kNone;
      changed_.WaitFor(mutex_, left);
    }
    return broken_ ? State::kBroken : State::kReady;
  }

 private:
  const Clock clock_ = MonotonicClock();
  mutable Mutex mutex_;
  CondVar changed_;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

struct RewardLinks::Impl {
  struct Link {
    std::thread thread;
    bool done = false;  // Guarded by Impl::mutex.
  };

  Impl(LeaseBook* b, rpc::Security s, RewardLinkEvents e)
      : book(b), security(std::move(s)), events(std::move(e)) {}

  void Serve(const std::string& address);
  absl::Status Send(rpc::Client& client, const std::string& address,
                    bool* answered);
  void Read(RewardStream& stream, const std::string& address, Credit& credit,
            bool* answered);
  void Ensure(const std::string& address) ABSL_LOCKS_EXCLUDED(mutex);
  bool Retire(const std::string& address) ABSL_LOCKS_EXCLUDED(mutex);
  bool Lives(const std::string& address) const;
  // Logs which replica holds the sender back; an error once it is not a member.
  absl::Status AwaitCredit(const std::string& address, Credit& credit);

  LeaseBook* const book;
  const rpc::Security security;
  const RewardLinkEvents events;
  const Clock clock = MonotonicClock();
  rpc::Cancellation stop;
  Mutex mutex;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  std::map<std::string, Link> links ABSL_GUARDED_BY(mutex);
};

void RewardLinks::Impl::Ensure(const std::string& address) {
  MutexLock lock(mutex);
  if (stopped) return;
  Link& link = links[address];
  if (link.thread.joinable()) {
    if (!link.done) return;
    link.thread.join();
    link.done = false;
  }
  link.thread = std::thread([this, address] { Serve(address); });
}

bool RewardLinks::Impl::Lives(const std::string& address) const {
  return absl::c_linear_search(events.living(), address);
}

// Whether the thread of this link may end: its replica is dead, and no work
// arrived for it meanwhile.
bool RewardLinks::Impl::Retire(const std::string& address) {
  if (Lives(address)) return false;
  MutexLock lock(mutex);
  if (book->HasWork(address)) return false;
  links[address].done = true;
  return true;
}

void RewardLinks::Impl::Serve(const std::string& address) {
  const absl::StatusOr<std::unique_ptr<rpc::Client>> client =
      rpc::Client::New({.address = address,
                        .kind = rpc::ChannelKind::kBulk,
                        .security = security});
  const uint64_t jitter_key = JitterKey(address);
  int failures = 0;  // In a row.
  for (;;) {
    const uint64_t wakes = book->wakes();
    if (stop.cancelled()) return;
    if (!book->WaitForWork(address, kIdle, wakes)) {
      if (Retire(address)) return;
      continue;
    }
    bool answered = false;
    const absl::Status status =
        client.ok() ? Send(**client, address, &answered) : client.status();
    if (stop.cancelled()) return;
    if (answered) failures = 0;
    if (failures == 0) {
      AHA_LOG(kWarning) << "stream to reward replica " << address
                        << " ended: " << status.ToString()
                        << "; unacknowledged groups are sent again";
    }
    book->Resend(address, events.living());
    for (const std::string& other : book->ReplicasWithWork()) Ensure(other);
    stop.SleepFor(kReconnectBackoff.Wait(failures++, jitter_key));
  }
}

absl::Status RewardLinks::Impl::AwaitCredit(const std::string& address,
                                            Credit& credit) {
  const absl::Time began = clock();
  for (;;) {
    const Credit::State state = credit.Wait(kCreditReportInterval);
    const absl::Duration waited = clock() - began;
    events.waited(std::min(waited, kCreditReportInterval));
    if (state == Credit::State::kReady) return absl::OkStatus();
    if (state == Credit::State::kBroken) {
      return absl::UnavailableError("the stream broke");
    }
    if (!book->HasWork(address)) continue;
    const std::string text = absl::StrCat(
        "reward replica ", address, " gave no credit for ",
        absl::FormatDuration(absl::Trunc(waited, absl::Seconds(1))),
        ": its consumers accept no groups");
    if (!Lives(address)) return absl::UnavailableError(text);
    AHA_LOG(kWarning) << text;
  }
}

absl::Status RewardLinks::Impl::Send(rpc::Client& client,
                                     const std::string& address,
                                     bool* answered) {
  const std::unique_ptr<RewardStream> stream =
      client.Open(&v1::Reward::Stub::Submit,
                  {.deadline = absl::InfiniteDuration(), .cancel = &stop});
  Credit credit;
  std::thread reader([&] { Read(*stream, address, credit, answered); });
  absl::Status status;
  while (status.ok()) {
    const uint64_t wakes = book->wakes();
    if (stop.cancelled()) break;
    status = AwaitCredit(address, credit);
    if (!status.ok()) break;
    const std::optional<v1::SubmitRequest> request =
        book->Next(address, kIdle, wakes);
    if (!request.has_value()) continue;
    credit.Spend(request->ByteSizeLong());
    status = stream->Write(*request);
  }
  stream->Cancel();
  reader.join();
  const absl::Status end = stream->Finish();
  return status.ok() || !end.ok() ? end : status;
}

void RewardLinks::Impl::Read(RewardStream& stream, const std::string& address,
                             Credit& credit, bool* answered) {
  v1::SubmitResponse response;
  for (;;) {
    const absl::StatusOr<bool> more = stream.Read(&response);
    if (!more.ok() || !*more) break;
    if (response.has_ack()) {
      *answered = true;
      events.ack(address, response.ack());
    } else {
      credit.Add(response.credit_bytes());
    }
  }
  credit.Break();
  book->Wake();
}

RewardLinks::RewardLinks(LeaseBook* book, rpc::Security security,
                         RewardLinkEvents events)
    : impl_(std::make_unique<Impl>(book, std::move(security),
                                   std::move(events))) {}

RewardLinks::~RewardLinks() { Stop(); }

void RewardLinks::Ensure(const std::string& replica) { impl_->Ensure(replica); }

void RewardLinks::Stop() {
  std::map<std::string, Impl::Link> links;
  {
    MutexLock lock(impl_->mutex);
    impl_->stopped = true;
    links.swap(impl_->links);
  }
  impl_->stop.Cancel();
  impl_->book->Wake();
  for (auto& [address, link] : links) {
    if (link.thread.joinable()) link.thread.join();
  }
}

}  // namespace aha::actor
