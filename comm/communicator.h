// Collectives among the learner ranks.
//
// Every rank makes the same calls in the same order.  Calls are numbered; a
// call first learns that every rank is at the same call (number, kind, name,
// size), then moves data.  So a missing or a straying rank is found before any
// buffer is touched, and is named:
//
//   all-reduce #12 "gradients": rank 1 did not come within 300s
//
// Every call has a deadline.  The first failure aborts the communicator: later
// calls fail at once with the same error, and the caller makes a new one from
// the next group epoch.  A group of one never waits and never fails.
//
// Sums are of 64-bit integers (two's complement, wrapping), hence exact and
// independent of the algorithm and the order of ranks.
//
// Thread-compatible, except Abort: callable from any thread; a waiting call
// then returns soon.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace aha::comm {

enum class Collective : uint32_t {
  kAllReduceSum = 1,
  kAllGather = 2,
  kBroadcast = 3,
  kBarrier = 4,
  kGather = 5,
};

// One collective call, as all ranks must see it.
struct Call {
  Collective kind = Collective::kBarrier;
  uint64_t sequence = 0;  // From 1.
  std::string name;       // What is moved: "gradients".
  uint64_t size = 0;      // Elements; 0 where ranks may differ.
  absl::Duration timeout;
  absl::Time deadline;  // On Communicator's monotonic clock.
};

// "all-reduce #12 \"gradients\"".
std::string Describe(const Call& call);

struct CommunicatorOptions {
  int rank = 0;
  int size = 1;
  absl::Duration timeout = absl::Seconds(300);  // Of one call.

  absl::Status Validate() const;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  // Calls begun so far.
  uint64_t sequence() const { return sequence_; }
  // Time spent inside calls so far, waiting for others included.
  absl::Duration time_spent() const { return time_spent_; }
  // How long the call under way has taken; 0 if there is none.  From any
  // thread.
  absl::Duration waiting() const;

  // values[i] = sum of values[i] over the ranks.
  absl::Status AllReduceSum(absl::string_view name, absl::Span<int64_t> values);
  // What each rank gave, by rank.  Lengths may differ.  A `timeout` of 0 is
  // the group's.
  absl::StatusOr<std::vector<std::string>> AllGatherBytes(
      absl::string_view name, absl::string_view mine,
      absl::Duration timeout = absl::ZeroDuration());
  // The same at `root`; nothing elsewhere.  For what is large.
  absl::StatusOr<std::vector<std::string>> GatherBytes(absl::string_view name,
                                                       int root,
                                                       absl::string_view mine);
  // What `root` gave; the others' `bytes` are ignored.
  absl::StatusOr<std::string> Broadcast(
      absl::string_view name, int root, absl::string_view bytes,
      absl::Duration timeout = absl::ZeroDuration());
  absl::Status Barrier(absl::string_view name);

  // Why it is aborted; OK if it is not.
  absl::Status status() const;
  // Makes this and all later calls fail with `reason`, an error.
  void Abort(absl::Status reason);

 protected:
  explicit Communicator(const CommunicatorOptions& options)
      : options_(options) {}
  const CommunicatorOptions& options() const { return options_; }
  // How long until the call's deadline; never negative.
  absl::Duration Left(const Call& call) const;

 private:
  // Bodies.  They are called with size() > 1 only, and return once every rank
  // took part; an error is final.
  virtual absl::Status DoAllReduceSum(const Call& call,
                                      absl::Span<int64_t> values) = 0;
  virtual absl::StatusOr<std::vector<std::string>> DoAllGather(
      const Call& call, absl::string_view mine) = 0;
  virtual absl::StatusOr<std::vector<std::string>> DoGather(
      const Call& call, int root, absl::string_view mine) = 0;
  virtual absl::Status DoBarrier(const Call& call) = 0;
  // Wakes a waiting call.
  virtual void DoAbort() = 0;

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

// The group of one: no network, no threads.
std::unique_ptr<Communicator> NewSingle();

}  // namespace aha::comm
