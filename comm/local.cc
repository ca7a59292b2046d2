#include "comm/local.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace aha::comm {
namespace {

// What a rank brings to a call.  The spans are its own memory, which stays
// valid while the rank waits in the call.
struct Contribution {
  Call call;
  absl::Span<int64_t> values = {};  // Sums.
  absl::Span<char> elements = {};   // All-gather.
  std::vector<Shard> shards = {};   // Reduce-scatter, all-gather.
  std::string bytes = {};           // The calls that move strings.
};

// values[i] of every rank that holds i becomes the sum over all ranks.
// `begin` and `end` bound i; `to` is the rank that receives, or all of them.
void SumInto(absl::Span<const Contribution* const> ranks, size_t begin,
             size_t end, const Contribution* to) {
  for (size_t i = begin; i < end; ++i) {
    uint64_t sum = 0;
    for (const Contribution* rank : ranks) {
      sum += static_cast<uint64_t>(rank->values[i]);
    }
    for (const Contribution* rank : ranks) {
      if (to != nullptr && rank != to) continue;
      rank->values[i] = static_cast<int64_t>(sum);
    }
  }
}

void MoveData(absl::Span<const Contribution* const> ranks) {
  switch (ranks[0]->call.kind) {
    case Collective::kAllReduceSum:
      SumInto(ranks, 0, ranks[0]->values.size(), nullptr);
      return;
    case Collective::kReduceScatterSum:
      for (size_t rank = 0; rank < ranks.size(); ++rank) {
        const Shard& shard = ranks[0]->shards[rank];
        SumInto(ranks, shard.begin, shard.end, ranks[rank]);
      }
      return;
    case Collective::kAllGather:
      for (size_t rank = 0; rank < ranks.size(); ++rank) {
        const Shard& shard = ranks[0]->shards[rank];
        const absl::Span<char> from =
            ranks[rank]->elements.subspan(shard.begin, shard.size());
        for (const Contribution* to : ranks) {
          if (to == ranks[rank]) continue;
          std::copy(
              from.begin(), from.end(),
              to->elements.begin() + static_cast<std::ptrdiff_t>(shard.begin));
        }
      }
      return;
    default:
      return;  // Strings: Hub::Exchange.
  }
}

// Where the ranks meet.  Thread-safe.
class Hub {
 public:
  explicit Hub(int size) : arrivals_(static_cast<size_t>(size)) {}

  // Meets the other ranks in one call.  On OK the data has moved and
  // `gathered`, unless null, has the bytes that each rank gave.
  absl::Status Join(int rank, Contribution contribution,
                    std::vector<std::string>* gathered = nullptr);
  void Abort(absl::Status reason);

 private:
  bool Complete() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Missing(const Call& call) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckSameCall() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Exchange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::vector<std::optional<Contribution>> arrivals_ ABSL_GUARDED_BY(mutex_);
  uint64_t round_ ABSL_GUARDED_BY(mutex_) = 0;
  // The outcome of the last round.
  absl::Status result_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> gathered_ ABSL_GUARDED_BY(mutex_);
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
};

bool Hub::Complete() const {
  return std::all_of(arrivals_.begin(), arrivals_.end(),
                     [](const auto& arrival) { return arrival.has_value(); });
}

absl::Status Hub::Missing(const Call& call) const {
  std::vector<size_t> missing;
  for (size_t rank = 0; rank < arrivals_.size(); ++rank) {
    if (!arrivals_[rank]) missing.push_back(rank);
  }
  return absl::DeadlineExceededError(absl::StrCat(
      Describe(call), ": rank ", absl::StrJoin(missing, ", "),
      " did not come within ", absl::FormatDuration(call.timeout)));
}

absl::Status Hub::CheckSameCall() const {
  const Contribution& first = *arrivals_[0];
  for (size_t rank = 1; rank < arrivals_.size(); ++rank) {
    const Contribution& other = *arrivals_[rank];
    const Call& a = first.call;
    const Call& b = other.call;
    if (a.kind != b.kind || a.sequence != b.sequence || a.name != b.name ||
        a.size != b.size) {
      return absl::InternalError(absl::StrCat(
          "ranks disagree: rank 0 is at ", Describe(a), " of size ", a.size,
          ", rank ", rank, " at ", Describe(b), " of size ", b.size));
    }
    if (first.shards != other.shards) {
      return absl::InternalError(
          absl::StrCat("ranks disagree: the shards of ", Describe(a), " are ",
                       ToString(first.shards), " on rank 0, ",
                       ToString(other.shards), " on rank ", rank));
    }
  }
  return absl::OkStatus();
}

void Hub::Exchange() {
  gathered_.clear();
  std::vector<const Contribution*> ranks;
  for (std::optional<Contribution>& arrival : arrivals_) {
    gathered_.push_back(std::move(arrival->bytes));
    ranks.push_back(&*arrival);
  }
  MoveData(ranks);
}

absl::Status Hub::Join(int rank, Contribution contribution,
                       std::vector<std::string>* gathered) {
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(aborted_);
  const Call call = contribution.call;
  const uint64_t round = round_;
  arrivals_[static_cast<size_t>(rank)] = std::move(contribution);
  if (Complete()) {
    result_ = CheckSameCall();
    if (result_.ok()) Exchange();
    for (auto& arrival : arrivals_) arrival.reset();
    ++round_;
    changed_.NotifyAll();
  }
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + call.timeout;
  while (round_ == round && aborted_.ok()) {
    const absl::Duration left = deadline - clock();
    if (left <= absl::ZeroDuration()) {
      aborted_ = Missing(call);
      changed_.NotifyAll();
      break;
    }
    changed_.WaitFor(mutex_, left);
  }
  if (round_ == round) return aborted_;
  // A round that was completed stays so, even if a rank has left since.  The
  // next one cannot complete before this rank comes to it.
  if (gathered != nullptr) *gathered = gathered_;
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
    return hub_->Join(rank(), {.call = call, .values = values});
  }

  absl::Status DoReduceScatterSum(const Call& call, absl::Span<int64_t> values,
                                  absl::Span<const Shard> shards) override {
    return hub_->Join(rank(), {.call = call,
                               .values = values,
                               .shards = {shards.begin(), shards.end()}});
  }

  absl::Status DoAllGather(const Call& call, absl::Span<char> bytes,
                           absl::Span<const Shard> shards) override {
    return hub_->Join(rank(), {.call = call,
                               .elements = bytes,
                               .shards = {shards.begin(), shards.end()}});
  }

  absl::StatusOr<std::vector<std::string>> DoAllGatherBytes(
      const Call& call, absl::string_view mine) override {
    std::vector<std::string> all;
    AHA_RETURN_IF_ERROR(
        hub_->Join(rank(), {.call = call, .bytes = std::string(mine)}, &all));
    return all;
  }

  absl::StatusOr<std::vector<std::string>> DoGather(
      const Call& call, int, absl::string_view mine) override {
    return DoAllGatherBytes(call, mine);
  }

  absl::Status DoBarrier(const Call& call) override {
    return hub_->Join(rank(), {.call = call});
  }

  void DoAbort() override {
    hub_->Abort(absl::AbortedError(
        absl::StrCat("rank ", rank(), " gave up: ", status().ToString())));
  }

  const std::shared_ptr<Hub> hub_;
};

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Communicator>>> NewLocalRanks(
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
