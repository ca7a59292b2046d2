#include "coordinator/membership.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/address.h"
#include "base/status.h"

namespace aha::coordinator {

const char* RoleName(v1::Role role) {
  switch (role) {
    case v1::ROLE_ACTOR:
      return "actor";
    case v1::ROLE_REWARD:
      return "reward";
    case v1::ROLE_LEARNER:
      return "learner";
    default:
      return "unknown";
  }
}

namespace {

// FAILED_PRECONDITION names the file whose content differs.
absl::Status CompareInputs(const std::string& name,
                           const v1::Certificate& certificate,
                           const std::string& other,
                           const v1::Certificate& others) {
  for (const auto& [key, content] : certificate.inputs()) {
    const auto it = others.inputs().find(key);
    if (it == others.inputs().end() || it->second == content) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        key, ": ", name, " reads a file of ", content, ", ", other, " one of ",
        it->second, "; put the same file back, or start a new run directory"));
  }
  return absl::OkStatus();
}

}  // namespace

Membership::Membership(const MembershipOptions& options, Clock clock)
    : options_(options), clock_(std::move(clock)), next_id_(options.first_id) {}

absl::Status Membership::CheckRequest(
    const v1::RegisterRequest& request) const {
  if (request.role() < v1::ROLE_ACTOR || request.role() > v1::ROLE_LEARNER) {
    return absl::InvalidArgumentError(absl::StrCat(
        "role: must be actor, reward or learner, got ", request.role()));
  }
  if (request.name().empty() || request.name().size() > 128) {
    return absl::InvalidArgumentError(absl::StrCat(
        "name: must have 1 to 128 characters, got ", request.name().size()));
  }
  if (!absl::c_all_of(request.name(), absl::ascii_isgraph)) {
    return absl::InvalidArgumentError(
        absl::StrCat("name: must be printable ASCII without spaces, got '",
                     absl::CHexEscape(request.name()), "'"));
  }
  if (request.incarnation().empty()) {
    return absl::InvalidArgumentError("incarnation: must not be empty");
  }
  if (request.role() != v1::ROLE_ACTOR && request.address().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("address: ", request.name(), " must say where it serves"));
  }
  for (const std::string& address :
       {request.address(), request.metrics_address()}) {
    const auto parsed = ParseAddress(address);
    if (address.empty() || parsed.ok()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "address: ", request.name(), ": ", parsed.status().message()));
  }
  if (request.role() == v1::ROLE_LEARNER &&
      request.rank() >= options_.learners) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank: must be below cluster.learners (",
                     options_.learners, "), got ", request.rank()));
  }
  return absl::OkStatus();
}

void Membership::Require(v1::Certificate certificate) {
  required_ = std::move(certificate);
}

// Reward replicas compute nothing that a certificate could speak of, but they
// read files.
absl::Status Membership::CheckInputs(const v1::RegisterRequest& request) const {
  AHA_RETURN_IF_ERROR(CompareInputs(request.name(), request.certificate(),
                                    "this run began with", required_));
  for (const auto& [id, other] : members_) {
    if (other.role == request.role() && other.name == request.name()) continue;
    AHA_RETURN_IF_ERROR(CompareInputs(request.name(), request.certificate(),
                                      other.name, other.certificate));
  }
  return absl::OkStatus();
}

absl::Status Membership::CheckCertificate(
    const v1::RegisterRequest& request) const {
  if (request.certificate().digest().empty()) {
    return CheckInputs(request);
  }
  if (!required_.digest().empty() &&
      required_.digest() != request.certificate().digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "certificate: ", request.name(), " (",
        request.certificate().numeric_class(),
        ") would not compute the same bits as this run's steps so far (",
        required_.numeric_class(),
        "); resume on a machine of the same class, or start a new run "
        "directory"));
  }
  AHA_RETURN_IF_ERROR(CompareInputs(request.name(), request.certificate(),
                                    "this run began with", required_));
  for (const auto& [id, other] : members_) {
    const bool itself =
        other.role == request.role() && other.name == request.name();
    if (itself || !other.certified()) continue;
    AHA_RETURN_IF_ERROR(CompareInputs(request.name(), request.certificate(),
                                      other.name, other.certificate));
    if (other.certificate.digest() == request.certificate().digest()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("certificate: ", request.name(), " (",
                     request.certificate().numeric_class(),
                     ") would not compute the same "
                     "bits as ",
                     other.name, " (", other.certificate.numeric_class(), ")"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Membership::Joined> Membership::Register(
    const v1::RegisterRequest& request) {
  AHA_RETURN_IF_ERROR(CheckRequest(request));
  AHA_RETURN_IF_ERROR(CheckCertificate(request));
  const absl::Time now = clock_();
  Joined joined;
  std::vector<uint64_t> replaced;
  for (const auto& [id, other] : members_) {
    if (other.role != request.role()) continue;
    const bool same_name = other.name == request.name();
    const bool same_rank =
        request.role() == v1::ROLE_LEARNER && other.rank == request.rank();
    if (!same_name && !same_rank) continue;
    if (same_name && other.incarnation == request.incarnation()) {
      joined.id = id;
      joined.known = true;
    } else if (!other.gone && now - other.last_seen < options_.takeover) {
      return absl::AlreadyExistsError(absl::StrCat(
          RoleName(other.role), " ", other.name,
          same_rank ? absl::StrCat(" (rank ", other.rank, ")") : "",
          " is alive as another process, which sent something ",
          absl::FormatDuration(now - other.last_seen),
          " ago; it can be replaced when its connection has ended or it has "
          "sent nothing for ",
          absl::FormatDuration(options_.takeover)));
    } else {
      replaced.push_back(id);
    }
  }
  for (const uint64_t id : replaced) {
    joined.replaced.push_back(std::move(members_.extract(id).mapped()));
  }
  if (joined.id == 0) joined.id = next_id_++;
  MemberInfo& member = members_[joined.id];
  member.id = joined.id;
  member.role = request.role();
  member.name = request.name();
  member.incarnation = request.incarnation();
  member.address = request.address();
  member.metrics_address = request.metrics_address();
  member.rank = request.rank();
  if (!request.certificate().digest().empty() ||
      !request.certificate().inputs().empty()) {
    member.certificate = request.certificate();
  }
  member.last_seen = now;
  member.gone = false;
  return joined;
}

absl::StatusOr<MemberInfo*> Membership::Touch(uint64_t id, uint64_t epoch) {
  if (epoch != options_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("epoch: is ", options_.epoch, ", the request has ", epoch,
                     "; register again"));
  }
  const auto it = members_.find(id);
  if (it == members_.end()) {
    return absl::NotFoundError(absl::StrCat("member_id: ", id,
                                            " is not a living member; register "
                                            "anew"));
  }
  it->second.last_seen = clock_();
  it->second.gone = false;
  return &it->second;
}

absl::StatusOr<uint64_t> Membership::Attend(uint64_t id, uint64_t epoch) {
  AHA_ASSIGN_OR_RETURN(MemberInfo* const member, Touch(id, epoch));
  return member->attendance = ++attendances_;
}

void Membership::Gone(uint64_t id, uint64_t attendance) {
  const auto it = members_.find(id);
  if (it == members_.end() || it->second.attendance != attendance) return;
  it->second.gone = true;
}

bool Membership::Remove(uint64_t id) { return members_.erase(id) > 0; }

std::vector<MemberInfo> Membership::Expire() {
  const absl::Time now = clock_();
  std::vector<MemberInfo> dead;
  for (auto it = members_.begin(); it != members_.end();) {
    const MemberInfo& member = it->second;
    const bool expendable = member.gone && member.role != v1::ROLE_LEARNER;
    if (now - member.last_seen <
        (expendable ? std::min(options_.takeover, options_.ttl)
                    : options_.ttl)) {
      ++it;
      continue;
    }
    dead.push_back(std::move(it->second));
    it = members_.erase(it);
  }
  return dead;
}

absl::Status Membership::Drain(const std::string& name) {
  for (auto& [id, member] : members_) {
    if (member.name != name) continue;
    if (member.role != v1::ROLE_ACTOR) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is not an actor; only actors can be drained"));
    }
    member.draining = true;
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("no living member is named ", name));
}

const MemberInfo* Membership::Find(uint64_t id) const {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

const MemberInfo* Membership::Learner(uint32_t rank) const {
  for (const auto& [id, member] : members_) {
    if (member.role == v1::ROLE_LEARNER && member.rank == rank &&
        member.certified()) {
      return &member;
    }
  }
  return nullptr;
}

std::string Membership::MissingLearners() const {
  std::vector<uint32_t> ranks;
  for (uint32_t rank = 0; rank < options_.learners; ++rank) {
    if (Learner(rank) == nullptr) ranks.push_back(rank);
  }
  if (ranks.empty()) return "";
  std::string text = absl::StrCat("learner rank ", absl::StrJoin(ranks, ", "),
                                  " (of ", options_.learners);
  for (const MemberInfo* member : OfRole(v1::ROLE_LEARNER)) {
    if (member->certified()) continue;
    absl::StrAppend(&text, "; rank ", member->rank,
                    " is registered and makes its certificate");
  }
  return text + ")";
}

std::vector<const MemberInfo*> Membership::All() const {
  std::vector<const MemberInfo*> all;
  for (const auto& [id, member] : members_) all.push_back(&member);
  return all;
}

std::vector<const MemberInfo*> Membership::OfRole(v1::Role role) const {
  std::vector<const MemberInfo*> some;
  for (const auto& [id, member] : members_) {
    if (member.role == role) some.push_back(&member);
  }
  return some;
}

}  // namespace aha::coordinator
