#include "comm/communicator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha::comm {
namespace {

const char* NameOf(Collective kind) {
  switch (kind) {
    case Collective::kAllReduceSum:
      return "all-reduce";
    case Collective::kReduceScatterSum:
      return "reduce-scatter";
    case Collective::kAllGather:
    case Collective::kAllGatherBytes:
      return "all-gather";
    case Collective::kBroadcast:
      return "broadcast";
    case Collective::kBarrier:
      return "barrier";
    case Collective::kGather:
      return "gather";
  }
  return "unknown collective";
}

class Single : public Communicator {
 public:
  Single() : Communicator({}) {}

 private:
  absl::Status DoAllReduceSum(const Call&, absl::Span<int64_t>) override {
    return absl::OkStatus();
  }
  absl::Status DoReduceScatterSum(const Call&, absl::Span<int64_t>,
                                  absl::Span<const Shard>) override {
    return absl::OkStatus();
  }
  absl::Status DoAllGather(const Call&, absl::Span<char>,
                           absl::Span<const Shard>) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> DoAllGatherBytes(
      const Call&, absl::string_view mine) override {
    return std::vector<std::string>{std::string(mine)};
  }
  absl::StatusOr<std::vector<std::string>> DoGather(
      const Call&, int, absl::string_view mine) override {
    return std::vector<std::string>{std::string(mine)};
  }
  absl::Status DoBarrier(const Call&) override { return absl::OkStatus(); }
  void DoAbort() override {}
};

}  // namespace

std::string Describe(const Call& call) {
  return absl::StrCat(NameOf(call.kind), " #", call.sequence, " \"", call.name,
                      "\"");
}

absl::Status CommunicatorOptions::Validate() const {
  if (size < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("size must be at least 1, is ", size));
  }
  if (rank < 0 || rank >= size) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank must be from 0 to ", size - 1, ", is ", rank));
  }
  if (timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "timeout must be positive, is ", absl::FormatDuration(timeout)));
  }
  return absl::OkStatus();
}

absl::Status Communicator::status() const {
  MutexLock lock(mutex_);
  return aborted_;
}

absl::Duration Communicator::waiting() const {
  MutexLock lock(mutex_);
  return std::max(clock_() - call_began_, absl::ZeroDuration());
}

absl::Status Communicator::CheckRoot(int root) const {
  if (root >= 0 && root < size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("root must be from 0 to ", size() - 1, ", is ", root));
}

absl::Duration Communicator::Left(const Call& call) const {
  return std::max(call.deadline - clock_(), absl::ZeroDuration());
}

void Communicator::Abort(absl::Status reason) {
  {
    MutexLock lock(mutex_);
    if (aborted_.ok()) aborted_ = std::move(reason);
  }
  DoAbort();
}

template <class Body>
absl::Status Communicator::Run(Collective kind, absl::string_view name,
                               uint64_t size, absl::Duration timeout,
                               Body&& body) {
  AHA_RETURN_IF_ERROR(Communicator::status());
  if (timeout == absl::ZeroDuration()) timeout = options_.timeout;
  const absl::Time start = clock_();
  {
    MutexLock lock(mutex_);
    call_began_ = start;
  }
  const Call call{.kind = kind,
                  .sequence = ++sequence_,
                  .name = std::string(name),
                  .size = size,
                  .timeout = timeout,
                  .deadline = start + timeout};
  absl::Status status = body(call);
  {
    MutexLock lock(mutex_);
    call_began_ = absl::InfiniteFuture();
  }
  time_spent_ += clock_() - start;
  if (status.ok()) return status;
  // The first abort has the cause; this call's error may be its consequence.
  const absl::Status earlier = this->status();
  if (earlier.ok()) Abort(status);
  return earlier.ok() ? status : earlier;
}

absl::Status Communicator::AllReduceSum(absl::string_view name,
                                        absl::Span<int64_t> values) {
  return Run(Collective::kAllReduceSum, name, values.size(),
             absl::ZeroDuration(),
             [&](const Call& call) { return DoAllReduceSum(call, values); });
}

absl::Status Communicator::ReduceScatterSum(absl::string_view name,
                                            absl::Span<int64_t> values,
                                            absl::Span<const Shard> shards) {
  AHA_RETURN_IF_ERROR(CheckShards(shards, size(), values.size()));
  return Run(Collective::kReduceScatterSum, name, values.size(),
             absl::ZeroDuration(), [&](const Call& call) {
               return DoReduceScatterSum(call, values, shards);
             });
}

absl::Status Communicator::AllGatherElements(absl::string_view name,
                                             absl::Span<char> bytes,
                                             size_t element_size,
                                             absl::Span<const Shard> shards) {
  const size_t count = bytes.size() / element_size;
  AHA_RETURN_IF_ERROR(CheckShards(shards, size(), count));
  std::vector<Shard> of_bytes(shards.begin(), shards.end());
  for (Shard& shard : of_bytes) {
    shard.begin *= element_size;
    shard.end *= element_size;
  }
  return Run(
      Collective::kAllGather, name, count, absl::ZeroDuration(),
      [&](const Call& call) { return DoAllGather(call, bytes, of_bytes); });
}

absl::StatusOr<std::vector<std::string>> Communicator::AllGatherBytes(
    absl::string_view name, absl::string_view mine, absl::Duration timeout) {
  std::vector<std::string> all;
  AHA_RETURN_IF_ERROR(Run(Collective::kAllGatherBytes, name, 0, timeout,
                          [&](const Call& call) -> absl::Status {
                            AHA_ASSIGN_OR_RETURN(all,
                                                 DoAllGatherBytes(call, mine));
                            return absl::OkStatus();
                          }));
  return all;
}

absl::StatusOr<std::vector<std::string>> Communicator::GatherBytes(
    absl::string_view name, int root, absl::string_view mine) {
  AHA_RETURN_IF_ERROR(CheckRoot(root));
  std::vector<std::string> all;
  AHA_RETURN_IF_ERROR(
      Run(Collective::kGather, name, static_cast<uint64_t>(root),
          absl::ZeroDuration(), [&](const Call& call) -> absl::Status {
            AHA_ASSIGN_OR_RETURN(all, DoGather(call, root, mine));
            return absl::OkStatus();
          }));
  if (rank() != root) all.clear();
  return all;
}

absl::StatusOr<std::string> Communicator::Broadcast(absl::string_view name,
                                                    int root,
                                                    absl::string_view bytes,
                                                    absl::Duration timeout) {
  AHA_RETURN_IF_ERROR(CheckRoot(root));
  // Broadcasts are small here: an all-gather to which only the root gives.
  std::vector<std::string> all;
  AHA_RETURN_IF_ERROR(
      Run(Collective::kBroadcast, name, static_cast<uint64_t>(root), timeout,
          [&](const Call& call) -> absl::Status {
            AHA_ASSIGN_OR_RETURN(
                all, DoAllGatherBytes(call, rank() == root ? bytes : ""));
            return absl::OkStatus();
          }));
  return std::move(all[static_cast<size_t>(root)]);
}

absl::Status Communicator::Barrier(absl::string_view name) {
  return Run(Collective::kBarrier, name, 0, absl::ZeroDuration(),
             [&](const Call& call) { return DoBarrier(call); });
}

std::unique_ptr<Communicator> NewSingle() { return std::make_unique<Single>(); }

}  // namespace aha::comm
