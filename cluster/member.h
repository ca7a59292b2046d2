// The membership of a process in the cluster.  It joins, sends heartbeats at
// the interval that the coordinator gives, joins again when the coordinator
// restarted or no longer knows it, and leaves.
//
//   AHA_ASSIGN_OR_RETURN(auto member, rpc::Member::New(
//       {.role = v1::ROLE_REWARD, .name = "reward-0", ...}));
//   AHA_RETURN_IF_ERROR(member->Join(absl::Seconds(60)));
//   member->Serve({.directive = ..., .rejoined = ...});
//   ...
//   member->Leave();
//
// Invariants: member_id and epoch of one MemberIdentity belong together. Events
// are called by one thread, one at a time, and never after Leave returned.  No
// wait is longer than `call_timeout` beyond the time that the caller allowed.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/coordinator.pb.h"
#include "rpc/security.h"

namespace aha::rpc {

class Client;

// How long a process waits to join; afterwards the job's cluster.wait_seconds
// applies.
inline constexpr absl::Duration kJoinTimeout = absl::Minutes(5);

struct MemberOptions {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string name = {};     // "actor-0": unique among the living of a role.
  std::string address = {};  // host:port it serves at; empty for actors.
  std::string metrics_address = {};  // host:port of its Prometheus endpoint.
  uint32_t rank = 0;                 // Learners only.
  std::string coordinator = {};      // host:port.
  Security security = {};
  absl::Duration call_timeout = absl::Seconds(5);

  absl::Status Validate() const;
};

// The state of a member, which a heartbeat carries.
struct MemberState {
  std::vector<uint64_t> lease_ids = {};  // The leases to renew.
  std::string waiting_for = {};          // "" while it works.
  double tokens_per_second = 0;
  // Increases as work completes.  Peers that wait on this member keep waiting
  // while it increases.
  uint64_t progress = 0;
};

// Identifies this member in requests to the coordinator.
struct MemberIdentity {
  uint64_t member_id = 0;
  uint64_t epoch = 0;
};

// Any may be empty.  None may call Leave or block for long.
struct MemberEvents {
  std::function<MemberState()> state = {};
  // The coordinator's directive changed; it is RUN before the first call.
  std::function<void(v1::Directive)> directive = {};
  std::function<void(const std::vector<uint64_t>& lease_ids)> lost_leases = {};
  // The member joined again: everything held under the previous identity is
  // void.  The response's epoch is larger if the coordinator restarted.
  std::function<void(const v1::RegisterResponse& response)> rejoined = {};
  // The membership ended: the coordinator refused it, or was away for
  // cluster.wait_seconds.  The last event.
  std::function<void(const absl::Status& status)> failed = {};
};

// Makes the certificate of actors and learners, once the job is known.
using Certifier =
    std::function<absl::StatusOr<v1::Certificate>(const v1::RegisterResponse&)>;

class Member {
 public:
  // INVALID_ARGUMENT: the coordinator's address needs TLS.
  static absl::StatusOr<std::unique_ptr<Member>> New(MemberOptions options);
  ~Member();  // Does what Stop does.
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  // Registers, waiting up to `timeout` for a coordinator that does not answer
  // yet or that still counts a dead process of this name as alive; then
  // heartbeats begin.  Errors: FAILED_PRECONDITION (certificate) and
  // INVALID_ARGUMENT are refusals (exit code 78); DEADLINE_EXCEEDED; CANCELLED
  // by Leave. REQUIRES: called once.
  absl::Status Join(absl::Duration timeout, const Certifier& certify = nullptr);

  // Sets the events.  A directive that arrived before is delivered now.
  void Serve(MemberEvents events);

  // Informs the coordinator, which takes the leases back at once, and ends all
  // threads.  Idempotent; may be called while Join waits.
  void Leave();

  // Ends all threads without informing the coordinator, as a crash would.
  void Stop();

  // Ends a waiting Join and the heartbeats without waiting for that; for the
  // threads of signal handlers.  Leave follows.
  void Interrupt();

  // Makes the member join again soon, unless it did so since it had the
  // identity `seen`.  Call it when the coordinator answered another call under
  // `seen` with FAILED_PRECONDITION or NOT_FOUND.
  void Rejoin(const MemberIdentity& seen);

  // Ready after Join.
  MemberIdentity identity() const;
  std::shared_ptr<const v1::RegisterResponse> registration() const;
  const v1::Job& job() const;           // Never changes while joined.
  std::vector<v1::Peer> peers() const;  // What the latest heartbeat named.
  v1::Directive directive() const;
  // For other calls to the coordinator.
  Client& coordinator() const;

  // Waits for the answer for `call_timeout` at most.
  absl::Status Report(bool fatal, const std::string& message);
  // The result of the job is not reproducible, and why.
  absl::Status ReportNotReproducible(const std::string& why);

 private:
  struct Impl;
  explicit Member(std::unique_ptr<Impl> impl);
  absl::Status Send(v1::ReportProblemRequest request);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::rpc
