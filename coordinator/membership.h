// The members of a job: which processes belong to it, and which of them live.
//
// A member is identified by (role, name) and by the incarnation of its process.
// It is alive while its calls arrive; after `ttl` without one it is dead.
//
//   1. A process registers (Register) and sends something now and then (Touch).
//   2. It holds a stream open (Attend).  When the stream breaks (Gone) and
//      nothing is heard afterwards, its process has probably died.
//   3. A process that starts under a name whose owner was silent for `takeover`
//      replaces it, so that a restarted actor need not wait for the whole ttl.
//      It replaces an owner whose stream broke at once.
//   4. Expire removes the dead.  Actors and reward replicas whose stream broke
//      are dead after `takeover`: what is lost with them is computed again.  A
//      learner is given the whole ttl, since its rank set breaks with it.
//
// Actors and learners carry a certificate.  All living ones must agree (equal
// digests, equal content of the files that they read), also with what Require
// names; a member that does not is refused.
//
// Thread-compatible: callers lock.  Time comes from the clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"

namespace aha::coordinator {

struct MembershipOptions {
  uint64_t epoch = 1;
  absl::Duration ttl = absl::Seconds(60);
  absl::Duration takeover = absl::Seconds(3);
  uint32_t learners = 1;  // Ranks 0 .. learners-1.
  // Members get ids from here on.
  uint64_t first_id = 1;
};

struct MemberInfo {
  uint64_t id = 0;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string name;
  std::string incarnation;
  std::string address;
  std::string metrics_address;
  uint32_t rank = 0;
  v1::Certificate certificate;  // Empty until the second Register.
  absl::Time last_seen;
  uint64_t attendance = 0;  // The number of its latest stream.
  bool gone = false;        // The stream broke, and nothing was heard since.
  std::string waiting_for;
  double tokens_per_second = 0;
  uint64_t progress = 0;
  bool draining = false;

  bool certified() const { return !certificate.digest().empty(); }
};

class Membership {
 public:
  Membership(const MembershipOptions& options, Clock clock);

  // From now on only members with this certificate may register: the results
  // of the run were computed with it.
  void Require(v1::Certificate certificate);
  const v1::Certificate& required() const { return required_; }

  struct Joined {
    uint64_t id = 0;
    bool known = false;  // It was registered before.
    // Processes of the same name or rank, which are dead now.
    std::vector<MemberInfo> replaced = {};
  };
  // INVALID_ARGUMENT: a field is missing or out of range.
  // ALREADY_EXISTS: another living process has the name, or the learner's rank.
  // FAILED_PRECONDITION: the certificate differs from that of the others.
  absl::StatusOr<Joined> Register(const v1::RegisterRequest& request);

  // The member that calls; the call keeps it alive.  FAILED_PRECONDITION:
  // another epoch.  NOT_FOUND: no living member.
  absl::StatusOr<MemberInfo*> Touch(uint64_t id, uint64_t epoch);

  // The member holds a stream open from now on; returns the number of the
  // stream.  Errors as Touch.
  absl::StatusOr<uint64_t> Attend(uint64_t id, uint64_t epoch);
  // That stream broke.  Ignored if the member has opened a newer one.
  void Gone(uint64_t id, uint64_t attendance);

  // Removes a member; false if it was not there.
  bool Remove(uint64_t id);

  // Removes the members that are dead, and returns them.
  std::vector<MemberInfo> Expire();

  // NOT_FOUND: no such living member.
  absl::Status Drain(const std::string& name);

  // Null if not living.
  const MemberInfo* Find(uint64_t id) const;
  const MemberInfo* Learner(uint32_t rank) const;  // Only if certified.
  // The ranks that are not there, as text for people; "" if all are.
  std::string MissingLearners() const;
  std::vector<const MemberInfo*> All() const;
  std::vector<const MemberInfo*> OfRole(v1::Role role) const;
  uint64_t Count(v1::Role role) const { return OfRole(role).size(); }

 private:
  absl::Status CheckRequest(const v1::RegisterRequest& request) const;
  absl::Status CheckCertificate(const v1::RegisterRequest& request) const;
  absl::Status CheckInputs(const v1::RegisterRequest& request) const;

  const MembershipOptions options_;
  const Clock clock_;
  v1::Certificate required_;  // Empty: any.
  uint64_t next_id_;
  uint64_t attendances_ = 0;
  std::map<uint64_t, MemberInfo> members_;
};

const char* RoleName(v1::Role role);  // "actor"

}  // namespace aha::coordinator
