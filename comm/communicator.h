// Collective operations among the ranks of a rank set: the learner processes
// that train a job together.
//
// Every rank makes the same calls in the same order.  A call has two phases:
//
//   1. The ranks exchange what they are about to do (number, kind, name, size,
//      shards) and compare it.
//   2. The data moves.
//
// So a rank that is missing, or is at another call, is found in phase 1, before
// any buffer is touched, and is named:
//
//   all-reduce #12 "gradients": rank 1 did not come within 300s
//
// Every call has a deadline.  The first failure aborts the communicator: later
// calls return the same error at once, and the caller connects a new rank set.
// A communicator of one rank never waits and never fails.
//
// After an error the elements that a call may write are unspecified: some may
// hold sums or another rank's elements already.
//
// Sums are of 64-bit integers (two's complement, wrapping), hence exact and
// independent of the algorithm and of the order of ranks.
//
// Thread-compatible, except Abort and waiting(), which any thread may call.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "comm/shard.h"

namespace aha::comm {

enum class Collective : uint32_t {
  kAllReduceSum = 1,
  kAllGatherBytes = 2,
  kBroadcast = 3,
  kBarrier = 4,
  kGather = 5,
  kReduceScatterSum = 6,
  kAllGather = 7,
};

// One collective call, as all ranks must see it.
struct Call {
  Collective kind = Collective::kBarrier;
  uint64_t sequence = 0;  // From 1.
  std::string name;       // What is moved: "gradients".
  uint64_t size = 0;      // In elements; 0 where it may differ between ranks.
  absl::Duration timeout;
  absl::Time deadline;  // On Communicator's monotonic clock.
};

// "all-reduce #12 \"gradients\"".
std::string Describe(const Call& call);

struct CommunicatorOptions {
  int rank = 0;
  int size = 1;
  absl::Duration timeout = absl::Seconds(300);  // For one call.

  absl::Status Validate() const;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  // The number of calls that were begun.
  uint64_t sequence() const { return sequence_; }
  // The time spent inside calls, including the waits for other ranks.
  absl::Duration time_spent() const { return time_spent_; }
  // How long the current call has taken; 0 outside of calls.
  absl::Duration waiting() const;

  // values[i] = sum of values[i] over the ranks.
  absl::Status AllReduceSum(absl::string_view name, absl::Span<int64_t> values);

  // Sums like AllReduceSum, but a rank receives the sums of its own shard only;
  // its elements outside that shard are unspecified afterwards.  Moves half of
  // what AllReduceSum moves.  INVALID_ARGUMENT, before the call begins:
  // `shards` is no partition of `values` (CheckShards).  INTERNAL: the ranks
  // have different shards.
  absl::Status ReduceScatterSum(absl::string_view name,
                                absl::Span<int64_t> values,
                                absl::Span<const Shard> shards);

  // values[shards[r]] = those of rank r, on every rank.  Before the call a rank
  // needs to hold its own shard only.  Errors as for ReduceScatterSum.
  template <class T>
  absl::Status AllGather(absl::string_view name, absl::Span<T> values,
                         absl::Span<const Shard> shards) {
    static_assert(std::is_trivially_copyable_v<T>);
    return AllGatherElements(
        name,
        absl::MakeSpan(reinterpret_cast<char*>(values.data()),
                       values.size() * sizeof(T)),
        sizeof(T), shards);
  }

  // Returns what each rank gave, by rank.  Lengths may differ.  A `timeout` of
  // 0 stands for that of CommunicatorOptions.
  absl::StatusOr<std::vector<std::string>> AllGatherBytes(
      absl::string_view name, absl::string_view mine,
      absl::Duration timeout = absl::ZeroDuration());
  // The same at rank `root`, and an empty vector elsewhere.  Use it for what is
  // large.
  absl::StatusOr<std::vector<std::string>> GatherBytes(absl::string_view name,
                                                       int root,
                                                       absl::string_view mine);
  // Returns what rank `root` gave; the `bytes` of other ranks are ignored.
  absl::StatusOr<std::string> Broadcast(
      absl::string_view name, int root, absl::string_view bytes,
      absl::Duration timeout = absl::ZeroDuration());
  absl::Status Barrier(absl::string_view name);

  // Why the communicator was aborted; OK if it was not.
  absl::Status status() const;
  // Makes the current call and all later ones return `reason`, an error.
  void Abort(absl::Status reason);

 protected:
  explicit Communicator(const CommunicatorOptions& options)
      : options_(options) {}
  const CommunicatorOptions& options() const { return options_; }
  // The time until the call's deadline; never negative.
  absl::Duration Left(const Call& call) const;

 private:
  // Bodies.  They are called with size() > 1 only, and return OK once every
  // rank took part; an error is final.
  virtual absl::Status DoAllReduceSum(const Call& call,
                                      absl::Span<int64_t> values) = 0;
  virtual absl::Status DoReduceScatterSum(const Call& call,
                                          absl::Span<int64_t> values,
                                          absl::Span<const Shard> shards) = 0;
  // `shards` counts bytes.
  virtual absl::Status DoAllGather(const Call& call, absl::Span<char> bytes,
                                   absl::Span<const Shard> shards) = 0;
  virtual absl::StatusOr<std::vector<std::string>> DoAllGatherBytes(
      const Call& call, absl::string_view mine) = 0;
  virtual absl::StatusOr<std::vector<std::string>> DoGather(
      const Call& call, int root, absl::string_view mine) = 0;
  virtual absl::Status DoBarrier(const Call& call) = 0;
  // Wakes a waiting call.
  virtual void DoAbort() = 0;

  absl::Status AllGatherElements(absl::string_view name, absl::Span<char> bytes,
                                 size_t element_size,
                                 absl::Span<const Shard> shards);
  absl::Status CheckRoot(int root) const;
  template <class Body>
  absl::Status Run(Collective kind, absl::string_view name, uint64_t size,
                   absl::Duration timeout, Body&& body);

  const CommunicatorOptions options_;
  const Clock clock_ = MonotonicClock();
  uint64_t sequence_ = 0;
  absl::Duration time_spent_;
  mutable Mutex mutex_;
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
  absl::Time call_began_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
};

// The communicator of one rank: no network, no threads.
std::unique_ptr<Communicator> NewSingle();

}  // namespace aha::comm
