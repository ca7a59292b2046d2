// The ledger of one stage: which actor has which group, and what became of it.
//
//   pending --Lease--> leased --Complete--> delivered --Train--> (gone)
//      ^                  |
//      +---- expiry, death, Return ----+
//
// Open are the steps [next, next + lag]: next is the first that was not
// trained.  A step's groups can be leased once the version they are sampled
// with, max(0, step - lag), is visible.  The lowest (step, slot) goes first,
// to whichever actor asks.
//
// A group may be sampled twice (by an actor that was slow, and by another that
// took over): both make the same bits, and the first delivery completes it.
//
// Thread-compatible: callers lock.  Time comes from the clock.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace aha::coordinator {

struct LedgerOptions {
  uint64_t first_step = 0;
  uint64_t steps = 1;   // Steps of the stage.
  uint32_t groups = 1;  // Slots in a step.
  uint64_t lag = 0;
  absl::Duration lease = absl::Seconds(60);
  // Lease ids are never used again, not even by the ledger that follows.
  uint64_t first_lease_id = 1;
};

struct LeasedGroup {
  uint64_t lease_id = 0;
  uint64_t step = 0;
  uint32_t slot = 0;
  int times = 1;  // How often this ledger gave the group out, up to now.
};

// Which groups may be given out now.
struct LeaseLimits {
  uint64_t last_step = std::numeric_limits<uint64_t>::max();
  uint32_t end_slot = std::numeric_limits<uint32_t>::max();  // Exclusive.
};

// A lease that runs.
struct LedgerHold {
  uint64_t member = 0;
  uint64_t step = 0;
  uint32_t slot = 0;
};

struct LedgerCounts {
  uint64_t pending = 0;  // Only those that can be leased now.
  uint64_t leased = 0;
  uint64_t delivered = 0;
};

class Ledger {
 public:
  Ledger(const LedgerOptions& options, Clock clock);

  // Weights that may be sampled with.
  void MakeVisible(uint64_t version);

  // The next pending group within `limits`, or nothing.
  std::optional<LeasedGroup> Lease(uint64_t member,
                                   const LeaseLimits& limits = {});

  // Renews what `member` still holds of `lease_ids`; returns the rest.  What
  // it holds but does not name was lost on its way to the member: it becomes
  // pending again.
  std::vector<uint64_t> Renew(uint64_t member,
                              const std::vector<uint64_t>& lease_ids);

  // Makes pending again every group that a dead or leaving member holds.
  void Return(uint64_t member);

  // The consumer has the group.  OK also if the lease has expired meanwhile or
  // the group is long trained; INVALID_ARGUMENT if the lease was for another
  // group.  NOT_FOUND: no such lease in this ledger.
  absl::Status Complete(uint64_t lease_id, uint64_t step, uint32_t slot);

  // Records that a consumer in this process has the group, and ends its leases.
  void Deliver(uint64_t step, uint32_t slot);

  // The step is trained, with these slots or others: it closes, and the next
  // one opens.  REQUIRES: step == next_step().
  void Train(uint64_t step);

  // Takes back the leases that were not renewed in time.  Returns how many were
  // taken back since the last call, by other calls too.
  uint64_t Expire();

  uint64_t next_step() const { return next_step_; }
  uint64_t next_lease_id() const { return next_lease_id_; }
  LedgerCounts Counts() const;
  uint64_t HeldBy(uint64_t member) const;
  std::vector<LedgerHold> Holds() const;  // By lease.

 private:
  enum class State : uint8_t { kPending, kLeased, kDelivered };
  struct Held {
    uint64_t member = 0;
    uint64_t step = 0;
    uint32_t slot = 0;
    absl::Time granted;
    absl::Time expires;
  };
  using HeldLeases = std::map<uint64_t, Held>;

  struct Group {
    State state = State::kPending;
    int leases = 0;  // Ever.
  };

  void TakeBackExpired();
  void OpenSteps();
  bool CanSample(uint64_t step) const;
  Group* Find(uint64_t step, uint32_t slot);
  HeldLeases::iterator GiveBack(HeldLeases::iterator held);
  // Ends every lease of a group but changes nothing else.
  void Withdraw(uint64_t step, uint32_t slot);

  const LedgerOptions options_;
  const Clock clock_;
  uint64_t next_step_;
  uint64_t next_lease_id_;
  std::set<uint64_t> visible_;
  std::map<uint64_t, std::vector<Group>> open_;
  HeldLeases held_;
  uint64_t expired_ = 0;  // Since the last call of Expire.
  // Every lease ever given for an open step, for late completions.
  std::map<uint64_t, std::pair<uint64_t, uint32_t>> given_;
};

}  // namespace aha::coordinator
