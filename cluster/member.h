// A process's membership of the cluster, as the coordinator sees it: joins,
// says "I am alive" at the interval it was given, joins anew when the
// coordinator restarted or forgot it, and leaves.
//
//   AHA_ASSIGN_OR_RETURN(auto member, rpc::Member::New(
//       {.role = v1::ROLE_REWARD, .name = "reward-0", ...}));
//   AHA_RETURN_IF_ERROR(member->Join(absl::Seconds(60)));
//   member->Serve({.directive = ..., .rejoined = ...});
//   ...
//   member->Leave();
//
// Invariants: (member_id, epoch) of one Identity belong together.  Events come
// from one thread, one at a time, and never after Leave returned.  No wait is
// longer than `call_timeout` beyond the time that the caller allowed.
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
#include "rpc/client.h"
#include "rpc/security.h"

namespace aha::rpc {

// How long a process waits for a coordinator that is not there yet; later the
// job's cluster.wait_seconds holds.
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

// What a heartbeat says about the caller.
struct MemberState {
  std::vector<uint64_t> lease_ids = {};  // Renewed.
  std::string waiting_for = {};          // "" if it works.
  double tokens_per_second = 0;
  uint64_t progress = 0;  // Grows while it gets on: who waits for it waits on.
};

// What a request to the coordinator carries.
struct MemberIdentity {
  uint64_t member_id = 0;
  uint64_t epoch = 0;
};

// Any may be empty.  None may call Leave or block for long.
struct MemberEvents {
  std::function<MemberState()> state = {};
  // The directive changed (it was RUN before the first call).
  std::function<void(v1::Directive)> directive = {};
  std::function<void(const std::vector<uint64_t>& lease_ids)> lost_leases = {};
  // Joined anew: everything held under the previous identity is void.  The
  // response's epoch is larger if it was the coordinator that restarted.
  std::function<void(const v1::RegisterResponse& response)> rejoined = {};
  // Gave up: refused, or the coordinator was away for cluster.wait_seconds.
  // The last event.
  std::function<void(const absl::Status& status)> failed = {};
};

// Makes the certificate of actors and learners, once the job is known.
using Certifier =
    std::function<absl::StatusOr<v1::Certificate>(const v1::RegisterResponse&)>;

class Member {
 public:
  // FAILED_PRECONDITION: the coordinator's address needs TLS.
  static absl::StatusOr<std::unique_ptr<Member>> New(MemberOptions options);
  ~Member();  // As Stop.
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  // Registers, waiting up to `timeout` for a coordinator that is not there yet
  // or that still believes in a dead process of this name; then heartbeats
  // begin.  Errors: FAILED_PRECONDITION (certificate) and INVALID_ARGUMENT are
  // refusals (exit code 78); DEADLINE_EXCEEDED; CANCELLED by Leave.
  // REQUIRES: called once.
  absl::Status Join(absl::Duration timeout, const Certifier& certify = nullptr);

  // Sets who hears of events; a directive that came before is delivered now.
  void Serve(MemberEvents events);

  // Tells the coordinator (leases go back at once) and ends all threads.
  // Idempotent; may be called while Join waits.
  void Leave();

  // Ends all threads and says nothing, as a crash would.
  void Stop();

  // Ends a waiting Join and the heartbeats, and does not wait for that; for
  // signal handlers' threads.  Leave follows.
  void Interrupt();

  // A call of the caller's own was answered FAILED_PRECONDITION or NOT_FOUND
  // under `seen`: joins anew soon unless that has happened since.
  void Rejoin(const MemberIdentity& seen);

  // Ready after Join.
  MemberIdentity identity() const;
  std::shared_ptr<const v1::RegisterResponse> registration() const;
  const v1::Job& job() const;           // Never changes while joined.
  std::vector<v1::Peer> peers() const;  // Of the latest heartbeat.
  v1::Directive directive() const;
  // For calls of the caller's own.
  Client& coordinator() const;

  // Waits for an answer `call_timeout` long at most.
  absl::Status Report(bool fatal, const std::string& message);

 private:
  struct Impl;
  explicit Member(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::rpc
