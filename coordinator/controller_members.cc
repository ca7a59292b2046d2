// Members, leases and eval groups.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/controller.h"
#include "coordinator/controller_internal.h"
#include "rl/schedule.h"

namespace aha::coordinator {
namespace {

constexpr uint32_t kMostGroupsALease = 4096;
constexpr char kDigest[] = "certificate_digest";
constexpr char kNumericClass[] = "numeric_class";
constexpr char kInputs[] = "inputs";  // A line each: key, tab, content.

}  // namespace

absl::Status Controller::LoadCertificate() {
  AHA_ASSIGN_OR_RETURN(const bool begun, parts_.store->HasResults());
  if (!begun) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const auto digest, parts_.store->Get(kDigest));
  AHA_ASSIGN_OR_RETURN(const auto name, parts_.store->Get(kNumericClass));
  v1::Certificate certificate;
  certificate.set_digest(digest.value_or(""));
  certificate.set_numeric_class(name.value_or(""));
  AHA_ASSIGN_OR_RETURN(const auto inputs, parts_.store->Get(kInputs));
  for (const absl::string_view line :
       absl::StrSplit(inputs.value_or(""), '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> input =
        absl::StrSplit(line, absl::MaxSplits('\t', 1));
    (*certificate.mutable_inputs())[input.first] = input.second;
  }
  members_.Require(std::move(certificate));
  return absl::OkStatus();
}

void Controller::StoreCertificate() {
  if (!members_.required().digest().empty()) return;
  const v1::Certificate& certificate = members_.Learner(0)->certificate;
  members_.Require(certificate);
  const absl::Status stored =
      parts_.store->Set({{kDigest, certificate.digest()},
                         {kNumericClass, certificate.numeric_class()},
                         {kInputs, absl::StrJoin(certificate.inputs(), "\n",
                                                 absl::PairFormatter("\t"))}});
  if (!stored.ok()) Fail(std::string(stored.message()));
}

absl::StatusOr<v1::RegisterResponse> Controller::Register(
    const v1::RegisterRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  if (options_.standing && over()) {
    return absl::NotFoundError("the cluster waits for its next job");
  }
  AHA_ASSIGN_OR_RETURN(const Membership::Joined joined,
                       members_.Register(request));
  for (const MemberInfo& member : joined.replaced) {
    Lost(member, "replaced by a new process");
  }
  if (!joined.known) {
    Note("joined", absl::StrCat(RoleName(request.role()), " ", request.name(),
                                " ", request.address()));
  }
  if (state_ == v1::JOB_STATE_PENDING && MissingLearners().empty()) {
    SetState(v1::JOB_STATE_RUNNING);
  }
  v1::RegisterResponse response;
  response.set_member_id(joined.id);
  response.set_epoch(options_.epoch);
  response.set_heartbeat_interval_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.heartbeat)));
  *response.mutable_job() = parts_.plan->job;
  response.set_run_directory(parts_.directory->path());
  return response;
}

v1::Directive Controller::DirectiveFor(const MemberInfo& member) const {
  if (over()) return v1::DIRECTIVE_STOP;
  return member.draining ? v1::DIRECTIVE_DRAIN : v1::DIRECTIVE_RUN;
}

absl::StatusOr<v1::HeartbeatResponse> Controller::Heartbeat(
    const v1::HeartbeatRequest& request) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(MemberInfo* const member,
                       members_.Touch(request.member_id(), request.epoch()));
  member->waiting_for = request.waiting_for().substr(0, 1000);
  member->tokens_per_second = std::max(0.0, request.tokens_per_second());
  if (std::exchange(member->progress, request.progress()) !=
      request.progress()) {
    ++progress_;
  }
  v1::HeartbeatResponse response;
  response.set_directive(DirectiveFor(*member));
  const std::vector<uint64_t> held(request.lease_ids().begin(),
                                   request.lease_ids().end());
  const std::vector<uint64_t> lost =
      ledger_.has_value() ? ledger_->Renew(member->id, held) : held;
  response.mutable_lost_lease_ids()->Assign(lost.begin(), lost.end());
  for (const MemberInfo* other : members_.All()) {
    if (other->role == v1::ROLE_ACTOR) continue;
    v1::Peer& peer = *response.add_peers();
    peer.set_role(other->role);
    peer.set_name(other->name);
    peer.set_address(other->address);
    peer.set_rank(other->rank);
  }
  return response;
}

absl::StatusOr<uint64_t> Controller::Attend(const v1::AttendRequest& request) {
  MutexLock lock(mutex_);
  return members_.Attend(request.member_id(), request.epoch());
}

void Controller::Gone(uint64_t member_id, uint64_t attendance) {
  MutexLock lock(mutex_);
  members_.Gone(member_id, attendance);
}

absl::Status Controller::Leave(const v1::LeaveRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const found,
                       members_.Touch(request.member_id(), request.epoch()));
  const MemberInfo member = *found;
  members_.Remove(member.id);
  Note("left", absl::StrCat(RoleName(member.role), " ", member.name));
  TakeOver(member, "left");
  return absl::OkStatus();
}

void Controller::Lost(const MemberInfo& member, const std::string& how) {
  Note("lost",
       absl::StrCat(RoleName(member.role), " ", member.name, ": ", how));
  parts_.series.members_lost.Increment();
  parts_.series.leases_expired.Increment(static_cast<double>(
      ledger_.has_value() ? ledger_->HeldBy(member.id) : 0));
  TakeOver(member, how);
}

void Controller::TakeOver(const MemberInfo& member, const std::string& how) {
  if (ledger_.has_value()) ledger_->Return(member.id);
  if (member.role != v1::ROLE_LEARNER || over()) return;
  if (told_.erase(member.rank) == 0) return;  // It had not begun anything.
  memory_lost_ = true;
  if (state_ == v1::JOB_STATE_STOPPING) {
    // Rank 0 can save without the others; nobody can without rank 0.
    if (member.rank == 0) End(v1::JOB_STATE_STOPPED);
    return;
  }
  if (!plan().trains() && (start_visible_ || member.rank != 0)) {
    NewGroup();  // The eval stage itself needs no learner any more.
    return;
  }
  RollBack(absl::StrCat("learner rank ", member.rank, " ", how));
}

absl::Status Controller::ReportProblem(
    const v1::ReportProblemRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       members_.Touch(request.member_id(), request.epoch()));
  const std::string text =
      absl::StrCat(member->name, ": ", request.message().substr(0, 4000));
  if (request.fatal()) {
    Fail(text);
    return absl::OkStatus();
  }
  AHA_LOG(kWarning) << text;
  parts_.series.problems.Increment();
  parts_.directory->Event("problem", text);
  if (member->role == v1::ROLE_LEARNER) learner_report_ = text;
  return absl::OkStatus();
}

std::string Controller::ConsumerOf(uint32_t slot) const {
  if (board_.has_value()) return address_;
  const MemberInfo* learner =
      members_.Learner(OwnerRank(slot, parts_.plan->learners));
  return learner == nullptr ? "" : learner->address;
}

void Controller::FillLease(const LeasedGroup& group,
                           const std::string& consumer, v1::Lease* lease) {
  const uint32_t stage = history_.position().stage;
  lease->set_lease_id(group.lease_id);
  *lease->mutable_sampling() = plan().sampling;
  const std::vector<const MemberInfo*> replicas =
      members_.OfRole(v1::ROLE_REWARD);
  lease->set_reward_address(
      replicas[group.lease_id % replicas.size()]->address);
  v1::GroupContext& context = *lease->mutable_group();
  context.mutable_key()->set_stage(stage);
  context.mutable_key()->set_step(group.step);
  context.mutable_key()->set_slot(group.slot);
  context.mutable_policy()->set_stage(stage);
  context.mutable_policy()->set_version(
      SamplingVersion(group.step, plan().lag));
  SlotPrompt prompt = parts_.prompts(stage, group.step, group.slot);
  context.set_prompt_id(std::move(prompt.id));
  context.set_prompt(std::move(prompt.prompt));
  context.set_reference(std::move(prompt.reference));
  context.mutable_fields()->insert(prompt.fields.begin(), prompt.fields.end());
  context.set_num_generations(plan().num_generations);
  context.set_consumer(consumer);
  context.set_epoch(options_.epoch);
}

absl::StatusOr<bool> Controller::TryLease(const v1::LeaseGroupsRequest& request,
                                          v1::LeaseGroupsResponse* response) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       members_.Touch(request.member_id(), request.epoch()));
  if (member->role != v1::ROLE_ACTOR || !member->certified()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "LeaseGroups: ", member->name, " is no actor with a certificate"));
  }
  if (request.max_groups() < 1 || request.max_groups() > kMostGroupsALease) {
    return absl::InvalidArgumentError(absl::StrCat("max_groups: must be 1 to ",
                                                   kMostGroupsALease, ", got ",
                                                   request.max_groups()));
  }
  response->set_directive(DirectiveFor(*member));
  if (response->directive() != v1::DIRECTIVE_RUN) return true;
  if (!ledger_.has_value() || members_.Count(v1::ROLE_REWARD) == 0) {
    return false;
  }
  // A pause and a stop let the step that has begun end: the learners wait for
  // its groups already.
  uint64_t last_step = std::numeric_limits<uint64_t>::max();
  if (state_ == v1::JOB_STATE_PAUSED || state_ == v1::JOB_STATE_STOPPING) {
    if (begun_ != history_.position().step) return false;
    last_step = *begun_;
  } else if (state_ != v1::JOB_STATE_RUNNING) {
    return false;
  }
  // All consumers or none: a group for a rank that is away would only wait.
  if (!board_.has_value() && !MissingLearners().empty()) return false;
  for (uint32_t i = 0; i < request.max_groups(); ++i) {
    const std::optional<LeasedGroup> group =
        ledger_->Lease(member->id, last_step);
    if (!group.has_value()) break;
    if (group->times > options_.most_lost_leases) {
      Fail(absl::StrCat(
          "the group of stage ", history_.position().stage, " step ",
          group->step, " slot ", group->slot, " was given to actors ",
          group->times - 1,
          " times and never arrived; see the actors' and reward replicas' "
          "logs"));
      response->Clear();
      response->set_directive(v1::DIRECTIVE_STOP);
      return true;
    }
    FillLease(*group, ConsumerOf(group->slot), response->add_leases());
    parts_.series.groups_leased.Increment();
  }
  return response->leases_size() > 0;
}

absl::Status Controller::CompleteLease(
    const v1::CompleteLeaseRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(
      members_.Touch(request.member_id(), request.epoch()).status());
  const v1::GroupKey& key = request.key();
  const Position& position = history_.position();
  // Of a stage that is over, or of a lease from before a rollback: the
  // consumer has it or will be given it again; nothing to do here.
  if (!ledger_.has_value() || key.stage() != position.stage) {
    return absl::OkStatus();
  }
  absl::Status status =
      ledger_->Complete(request.lease_id(), key.step(), key.slot());
  if (absl::IsNotFound(status)) return absl::OkStatus();
  if (status.ok()) {
    parts_.series.groups_completed.Increment();
    ++progress_;
  }
  return status;
}

absl::Status Controller::Deliver(const v1::ScoredGroup& group) {
  const Change change(*this);
  MutexLock lock(mutex_);
  const v1::GroupContext& context = group.context();
  if (context.epoch() != options_.epoch) {
    return absl::FailedPreconditionError(absl::StrCat(
        "epoch: is ", options_.epoch, ", the group has ", context.epoch()));
  }
  const uint32_t stage = history_.position().stage;
  if (!board_.has_value() || context.key().stage() != stage || over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("key: eval stage ", context.key().stage(),
                     " is not running; it is stage ", stage));
  }
  const uint64_t before = board_->scored();
  const absl::Status added = board_->Add(group);
  if (absl::IsDataLoss(added)) Fail(std::string(added.message()));
  AHA_RETURN_IF_ERROR(added);
  progress_ += board_->scored() - before;
  ledger_->Deliver(0, context.key().slot());
  ShowProgress();
  // It has all of it, and the tick records it if that fails now.
  if (board_->Complete()) RecordEval();
  return absl::OkStatus();
}

void Controller::RecordEval() {
  const uint32_t stage = history_.position().stage;
  const EvalResult result = board_->Result();
  const absl::Status added = Stored(
      history_.AddEval({.stage = stage,
                        .prompts = result.prompts,
                        .pass_at_1 = result.pass_at_1,
                        .mean_completion_length = result.mean_completion_length,
                        .tokens = result.tokens},
                       StageSeconds(stage)));
  if (!added.ok()) {
    if (!absl::IsUnavailable(added)) Fail(std::string(added.message()));
    return;
  }
  parts_.series.tokens.Increment(static_cast<double>(result.tokens));
  parts_.series.ShowEval(plan().name, result.pass_at_1,
                         result.mean_completion_length);
  Note("eval", absl::StrCat(plan().name, ": pass@1 ", result.pass_at_1,
                            " over ", result.prompts, " prompts, mean length ",
                            result.mean_completion_length));
  Advance();
}

}  // namespace aha::coordinator
