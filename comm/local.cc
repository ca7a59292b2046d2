#include "comm/local.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace aha::comm {
namespace {

// Where the ranks meet.  Thread-safe.
class Hub {
 public:
  explicit Hub(int size) : arrivals_(static_cast<size_t>(size)) {}

  struct Arrival {
    Call call;
    absl::Span<int64_t> values;  // The rank's own; valid while it waits.
    std::string bytes;
  };

  // Meets the other ranks in one call; on OK `gathered` has every rank's
  // bytes, and every rank's values hold the sum.
  absl::Status Meet(int rank, Arrival arrival, absl::Duration timeout,
                    std::vector<std::string>* gathered);
  void Abort(absl::Status reason);

 private:
  using Round = std::vector<std::optional<Arrival>>;

  bool Complete() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Missing(const Call& call, absl::Duration timeout) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckSameCall() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Exchange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  Round arrivals_ ABSL_GUARDED_BY(mutex_);
  uint64_t round_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status result_ ABSL_GUARDED_BY(mutex_);  // Of the last round.
  std::vector<std::string> gathered_ ABSL_GUARDED_BY(mutex_);  // Likewise.
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
};

bool Hub::Complete() const {
  for (const std::optional<Arrival>& arrival : arrivals_) {
    if (!arrival) return false;
  }
  return true;
}

absl::Status Hub::Missing(const Call& call, absl::Duration timeout) const {
  std::vector<size_t> missing;
  for (size_t rank = 0; rank < arrivals_.size(); ++rank) {
    if (!arrivals_[rank]) missing.push_back(rank);
  }
  return absl::DeadlineExceededError(
      absl::StrCat(Describe(call), ": rank ", absl::StrJoin(missing, ", "),
                   " did not come within ", absl::FormatDuration(timeout)));
}

absl::Status Hub::CheckSameCall() const {
  const Call& first = arrivals_[0]->call;
  for (size_t rank = 1; rank < arrivals_.size(); ++rank) {
    const Call& other = arrivals_[rank]->call;
    if (other.kind != first.kind || other.sequence != first.sequence ||
        other.name != first.name || other.size != first.size) {
      return absl::InternalError(
          absl::StrCat("ranks disagree: rank 0 is at ", Describe(first),
                       " of size ", first.size, ", rank ", rank, " at ",
                       Describe(other), " of size ", other.size));
    }
  }
  return absl::OkStatus();
}

void Hub::Exchange() {
  gathered_.clear();
  for (std::optional<Arrival>& arrival : arrivals_) {
    gathered_.push_back(std::move(arrival->bytes));
  }
  for (size_t i = 0; i < arrivals_[0]->values.size(); ++i) {
    uint64_t sum = 0;
    for (const std::optional<Arrival>& arrival : arrivals_) {
      sum += static_cast<uint64_t>(arrival->values[i]);
    }
    for (const std::optional<Arrival>& arrival : arrivals_) {
      arrival->values[i] = static_cast<int64_t>(sum);
    }
  }
}

absl::Status Hub::Meet(int rank, Arrival arrival, absl::Duration timeout,
                       std::vector<std::string>* gathered) {
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(aborted_);
  const Call call = arrival.call;
  const uint64_t round = round_;
  arrivals_[static_cast<size_t>(rank)] = std::move(arrival);
  if (Complete()) {
    result_ = CheckSameCall();
    if (result_.ok()) Exchange();
    for (std::optional<Arrival>& slot : arrivals_) slot.reset();
    ++round_;
    changed_.NotifyAll();
  }
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + timeout;
  while (round_ == round && aborted_.ok()) {
    const absl::Duration left = deadline - clock();
    if (left <= absl::ZeroDuration()) {
      aborted_ = Missing(call, timeout);
      changed_.NotifyAll();
      break;
    }
    changed_.WaitFor(mutex_, left);
  }
  if (round_ == round) return aborted_;
  // A round that was completed stays so, even if a rank has left since.  The
  // next one cannot complete before this rank comes to it.
  *gathered = gathered_;
  return result_;
}

void Hub::Abort(absl::Status reason) {
  MutexLock lock(mutex_);
  if (aborted_.ok()) aborted_ = std::move(reason);
  changed_.NotifyAll();
}

class Local : public Communicator {
 public:
  Local(const CommunicatorOptions& options, std::shared_ptr<Hub> hub)
      : Communicator(options), hub_(std::move(hub)) {}
  ~Local() override {
    hub_->Abort(
        absl::UnavailableError(absl::StrCat("rank ", rank(), " is gone")));
  }

 private:
  absl::Status DoAllReduceSum(const Call& call,
                              absl::Span<int64_t> values) override {
    std::vector<std::string> ignored;
    return hub_->Meet(rank(), {.call = call, .values = values, .bytes = ""},
                      call.timeout, &ignored);
  }

  absl::StatusOr<std::vector<std::string>> DoAllGather(
      const Call& call, absl::string_view mine) override {
    std::vector<std::string> all;
    AHA_RETURN_IF_ERROR(hub_->Meet(
        rank(), {.call = call, .values = {}, .bytes = std::string(mine)},
        call.timeout, &all));
    return all;
  }

  absl::StatusOr<std::vector<std::string>> DoGather(
      const Call& call, int, absl::string_view mine) override {
    return DoAllGather(call, mine);
  }

  absl::Status DoBarrier(const Call& call) override {
    std::vector<std::string> ignored;
    return hub_->Meet(rank(), {.call = call, .values = {}, .bytes = ""},
                      call.timeout, &ignored);
  }

  void DoAbort() override {
    hub_->Abort(absl::AbortedError(
        absl::StrCat("rank ", rank(), " gave up: ", status().ToString())));
  }

  const std::shared_ptr<Hub> hub_;
};

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Communicator>>> NewLocalGroup(
    int size, absl::Duration timeout) {
  if (size < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("size must be at least 1, is ", size));
  }
  std::vector<std::unique_ptr<Communicator>> ranks;
  auto hub = std::make_shared<Hub>(size);
  for (int rank = 0; rank < size; ++rank) {
    const CommunicatorOptions options{
        .rank = rank, .size = size, .timeout = timeout};
    AHA_RETURN_IF_ERROR(options.Validate());
    ranks.push_back(std::make_unique<Local>(options, hub));
  }
  return ranks;
}

}  // namespace aha::comm
