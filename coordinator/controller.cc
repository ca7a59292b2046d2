#include "coordinator/controller.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/commit_request.h"
#include "coordinator/job_status.h"
#include "coordinator/run_certificate.h"
#include "coordinator/sampling_spec.h"
#include "rl/schedule.h"

namespace aha::coordinator {
namespace {

constexpr uint32_t kMaxGroupsPerLease = 4096;
constexpr size_t kMaxWaitText = 1000;
constexpr size_t kMaxReport = 4000;

v1::Peer PeerOf(const MemberInfo& member) {
  v1::Peer peer;
  peer.set_role(member.role);
  peer.set_name(member.name);
  peer.set_address(member.address);
  peer.set_rank(member.rank);
  return peer;
}

}  // namespace

class Controller::Change {
 public:
  explicit Change(Controller& controller) : controller_(controller) {}
  ~Change() {
    std::function<void()> listener;
    {
      MutexLock lock(controller_.mutex_);
      listener = controller_.listener_;
    }
    if (listener) listener();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  Controller& controller_;
};

absl::StatusOr<std::unique_ptr<Controller>> Controller::New(
    ControllerOptions options, Parts parts) {
  JobParts job_parts{.plan = parts.plan,
                     .directory = parts.directory,
                     .store = parts.store,
                     .weights = parts.weights,
                     .clock = parts.clock,
                     .wall_clock = parts.wall_clock,
                     .series = parts.series,
                     .data = parts.data};
  AHA_ASSIGN_OR_RETURN(const auto certificate, LoadCertificate(*parts.store));
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<JobRun> job,
                       JobRun::New(options.job, std::move(job_parts)));
  std::unique_ptr<Controller> controller(
      new Controller(options, std::move(parts), std::move(job)));
  MutexLock lock(controller->mutex_);
  if (certificate.has_value()) controller->members_.Require(*certificate);
  return controller;
}

Controller::Controller(ControllerOptions options, Parts parts,
                       std::unique_ptr<JobRun> job)
    : options_(options),
      parts_(std::move(parts)),
      members_({.epoch = options.job.epoch,
                .ttl = parts_.plan->lease,
                .takeover = 3 * options.heartbeat,
                .learners = parts_.plan->learners,
                .first_id = options.first_member_id},
               parts_.clock),
      job_(std::move(job)) {}

void Controller::SetAddress(const std::string& address) {
  MutexLock lock(mutex_);
  address_ = address;
}

void Controller::SetListener(std::function<void()> changed) {
  MutexLock lock(mutex_);
  listener_ = std::move(changed);
}

run::JobState Controller::State() {
  MutexLock lock(mutex_);
  return job_->state();
}

bool Controller::Ended() {
  MutexLock lock(mutex_);
  return job_->over();
}

bool Controller::HasMembers() {
  MutexLock lock(mutex_);
  return !members_.All().empty();
}

void Controller::Tick() {
  std::function<void()> listener;
  {
    MutexLock lock(mutex_);
    const absl::Time now = parts_.clock();
    const std::pair before(job_->state(), job_->position().stage);
    const std::vector<MemberInfo> dead = members_.Expire();
    for (const MemberInfo& member : dead) {
      Lost(member,
           absl::StrCat(member.gone ? "its connection broke, " : "",
                        "sent nothing for ",
                        absl::FormatDuration(absl::Trunc(
                            now - member.last_seen, absl::Milliseconds(1)))));
    }
    const uint64_t expired =
        job_->ledger() == nullptr ? 0 : job_->ledger()->Expire();
    parts_.series.leases_expired.Increment(static_cast<double>(expired));
    job_->SaveStage();
    job_->CheckWaits(members_);
    UpdateGauges();
    if (!dead.empty() || expired > 0 ||
        before != std::pair(job_->state(), job_->position().stage)) {
      listener = listener_;
    }
  }
  if (listener) listener();
}

void Controller::UpdateGauges() {
  const Series& series = parts_.series;
  const auto number = [](uint64_t n) { return static_cast<double>(n); };
  series.actors.Set(number(members_.Count(v1::ROLE_ACTOR)));
  series.rewards.Set(number(members_.Count(v1::ROLE_REWARD)));
  series.learners.Set(number(members_.Count(v1::ROLE_LEARNER)));
  const LedgerCounts counts =
      job_->ledger() == nullptr ? LedgerCounts{} : job_->ledger()->Counts();
  series.groups_pending.Set(number(counts.pending));
  series.groups_in_flight.Set(number(counts.leased));
  series.groups_delivered.Set(number(counts.delivered));
}

void Controller::Recover() {
  std::optional<std::vector<CheckpointRecord>> checkpoints;
  {
    MutexLock lock(mutex_);
    checkpoints = job_->CheckpointsToVerify();
  }
  if (!checkpoints.has_value()) return;
  const CheckpointChoice choice =
      ChooseCheckpoint(parts_.directory->path(), *checkpoints);
  const Change change(*this);
  MutexLock lock(mutex_);
  job_->EndRollback(choice);
}

// ---------------------------------------------------------------------------
// Members

void Controller::KeepCertificate() {
  if (job_->state() != run::JobState::kRunning ||
      !members_.required().digest().empty()) {
    return;
  }
  // A job runs only when all learners are there.
  v1::Certificate certificate = members_.Learner(0)->certificate;
  for (const MemberInfo* reward : members_.OfRole(v1::ROLE_REWARD)) {
    AddInputs(reward->certificate, &certificate);
  }
  members_.Require(certificate);
  const absl::Status stored = StoreCertificate(certificate, *parts_.store);
  if (!stored.ok()) job_->Fail(std::string(stored.message()));
}

void Controller::KeepInputs(const v1::Certificate& certificate) {
  v1::Certificate required = members_.required();
  if (required.digest().empty() || !AddInputs(certificate, &required)) return;
  members_.Require(required);
  const absl::Status stored = StoreCertificate(required, *parts_.store);
  if (!stored.ok()) job_->Fail(std::string(stored.message()));
}

absl::StatusOr<v1::RegisterResponse> Controller::Register(
    const v1::RegisterRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  if (options_.standing && job_->over()) {
    return absl::NotFoundError("the cluster waits for its next job");
  }
  AHA_ASSIGN_OR_RETURN(const Membership::Joined joined,
                       members_.Register(request));
  for (const MemberInfo& member : joined.replaced) {
    Lost(member, "replaced by a new process");
  }
  if (!joined.known) {
    job_->recorder().Event(
        "joined", absl::StrCat(RoleName(request.role()), " ", request.name(),
                               " ", request.address()));
  }
  if (LearnersAreThere()) job_->LearnersArrived();
  KeepCertificate();
  // A reward replica may come when the run has begun already.
  if (request.role() == v1::ROLE_REWARD) KeepInputs(request.certificate());
  v1::RegisterResponse response;
  response.set_member_id(joined.id);
  response.set_epoch(epoch());
  response.set_heartbeat_interval_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.heartbeat)));
  *response.mutable_job() = parts_.plan->job;
  response.set_run_directory(parts_.directory->path());
  return response;
}

v1::Directive Controller::DirectiveFor(const MemberInfo& member) const {
  if (job_->over()) return v1::DIRECTIVE_STOP;
  return member.draining ? v1::DIRECTIVE_DRAIN : v1::DIRECTIVE_RUN;
}

absl::StatusOr<v1::HeartbeatResponse> Controller::Heartbeat(
    const v1::HeartbeatRequest& request) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(MemberInfo* const member,
                       members_.Touch(request.member_id(), request.epoch()));
  member->waiting_for = request.waiting_for().substr(0, kMaxWaitText);
  member->tokens_per_second = std::max(0.0, request.tokens_per_second());
  if (std::exchange(member->progress, request.progress()) !=
      request.progress()) {
    job_->waits().AddProgress();
  }
  v1::HeartbeatResponse response;
  response.set_directive(DirectiveFor(*member));
  const std::vector<uint64_t> held(request.lease_ids().begin(),
                                   request.lease_ids().end());
  const std::vector<uint64_t> lost =
      job_->ledger() == nullptr ? held
                                : job_->ledger()->Renew(member->id, held);
  response.mutable_lost_lease_ids()->Assign(lost.begin(), lost.end());
  for (const MemberInfo* other : members_.All()) {
    if (other->role != v1::ROLE_ACTOR) *response.add_peers() = PeerOf(*other);
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
  job_->recorder().Event("left",
                         absl::StrCat(RoleName(member.role), " ", member.name));
  TakeOver(member, "left");
  return absl::OkStatus();
}

void Controller::Lost(const MemberInfo& member, const std::string& how) {
  job_->recorder().Event(
      "lost", absl::StrCat(RoleName(member.role), " ", member.name, ": ", how));
  parts_.series.members_lost.Increment();
  if (job_->ledger() != nullptr) {
    parts_.series.leases_expired.Increment(
        static_cast<double>(job_->ledger()->HeldBy(member.id)));
  }
  TakeOver(member, how);
}

void Controller::TakeOver(const MemberInfo& member, const std::string& how) {
  if (job_->ledger() != nullptr) job_->ledger()->Return(member.id);
  if (member.role == v1::ROLE_LEARNER && !job_->over()) {
    job_->LoseRank(member.rank, how);
  }
}

absl::Status Controller::ReportProblem(
    const v1::ReportProblemRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       members_.Touch(request.member_id(), request.epoch()));
  const std::string text =
      absl::StrCat(member->name, ": ", request.message().substr(0, kMaxReport));
  if (request.fatal()) {
    job_->Fail(text);
    return absl::OkStatus();
  }
  if (request.not_reproducible()) {
    job_->recorder().MarkNotReproducible(text);
    return absl::OkStatus();
  }
  job_->recorder().Warning(text);
  if (member->role == v1::ROLE_LEARNER) job_->KeepReport(text);
  return absl::OkStatus();
}

// ---------------------------------------------------------------------------
// Groups

std::optional<uint64_t> Controller::LastStepToLease() const {
  switch (job_->state()) {
    case run::JobState::kRunning:
      return std::numeric_limits<uint64_t>::max();
    case run::JobState::kPaused:
    case run::JobState::kStopping:
      // The step that has begun ends first: the learners wait for its groups.
      if (job_->run()->step_in_progress()) return job_->run()->begun_step();
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

void Controller::FillLease(const LeasedGroup& group, v1::Lease* lease) {
  const StageRun& run = *job_->run();
  const uint32_t stage = run.stage();
  const StagePlan& plan = run.plan();
  lease->set_lease_id(group.lease_id);
  *lease->mutable_sampling() = ToSpec(plan.sampling);
  const std::vector<const MemberInfo*> replicas =
      members_.OfRole(v1::ROLE_REWARD);
  lease->set_reward_address(
      replicas[group.lease_id % replicas.size()]->address);
  v1::GroupContext& context = *lease->mutable_group();
  context.mutable_key()->set_stage(stage);
  context.mutable_key()->set_step(group.step);
  context.mutable_key()->set_slot(group.slot);
  context.mutable_policy()->set_stage(stage);
  context.mutable_policy()->set_version(SamplingVersion(group.step, plan.lag));
  SlotPrompt prompt = parts_.prompts(stage, group.step, group.slot);
  context.set_prompt_id(std::move(prompt.id));
  context.set_prompt(std::move(prompt.prompt));
  context.set_reference(std::move(prompt.reference));
  for (auto& [name, value] : prompt.fields) {
    v1::PromptField& field = *context.add_fields();
    field.set_name(name);
    field.set_value(std::move(value));
  }
  for (Turn& turn : prompt.turns) {
    v1::PromptTurn& sent = *context.add_turns();
    sent.set_role(std::move(turn.role));
    sent.set_content(std::move(turn.content));
  }
  context.set_num_generations(plan.num_generations);
  // REQUIRES: all learners are there, if they consume the groups (TryLease).
  context.set_consumer(
      run.collects_groups()
          ? address_
          : members_.Learner(OwnerRank(group.slot, parts_.plan->learners))
                ->address);
  context.set_epoch(epoch());
}

absl::StatusOr<bool> Controller::TryLease(const v1::LeaseGroupsRequest& request,
                                          v1::LeaseGroupsResponse* response) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       members_.Touch(request.member_id(), request.epoch()));
  if (member->role != v1::ROLE_ACTOR || !member->certified()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "LeaseGroups: ", member->name, " is not an actor with a certificate"));
  }
  if (request.max_groups() < 1 || request.max_groups() > kMaxGroupsPerLease) {
    return absl::InvalidArgumentError(absl::StrCat("max_groups: must be 1 to ",
                                                   kMaxGroupsPerLease, ", got ",
                                                   request.max_groups()));
  }
  response->set_directive(DirectiveFor(*member));
  if (response->directive() != v1::DIRECTIVE_RUN) return true;
  if (job_->ledger() == nullptr || members_.Count(v1::ROLE_REWARD) == 0) {
    return false;
  }
  StageRun& run = *job_->run();
  const std::optional<uint64_t> last_step = LastStepToLease();
  if (!last_step.has_value()) return false;
  // All consumers are there, or none gets a group: one for a rank that is away
  // would only wait.
  if (!run.collects_groups() && !LearnersAreThere()) return false;
  for (uint32_t i = 0; i < request.max_groups(); ++i) {
    const auto group = run.Lease(member->id, *last_step);
    if (!group.has_value()) break;
    if (group->times > options_.max_leases_of_group) {
      job_->Fail(absl::StrCat(
          "the group of stage ", run.stage(), " step ", group->step, " slot ",
          group->slot, " was given to actors ", group->times - 1,
          " times and never arrived; see the logs of the actors and of the "
          "reward replicas"));
      response->Clear();
      response->set_directive(v1::DIRECTIVE_STOP);
      return true;
    }
    FillLease(*group, response->add_leases());
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
  // A lease of a stage that is over, or from before a rollback: the consumer
  // has the group, or the group is leased again.
  if (job_->ledger() == nullptr || key.stage() != job_->run()->stage()) {
    return absl::OkStatus();
  }
  absl::Status status =
      job_->ledger()->Complete(request.lease_id(), key.step(), key.slot());
  if (absl::IsNotFound(status)) return absl::OkStatus();
  if (status.ok()) {
    parts_.series.groups_completed.Increment();
    job_->waits().AddProgress();
  }
  return status;
}

absl::Status Controller::Deliver(const v1::ScoredGroup& group) {
  const Change change(*this);
  MutexLock lock(mutex_);
  const v1::GroupContext& context = group.context();
  if (context.epoch() != epoch()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "epoch: is ", epoch(), ", the group has ", context.epoch()));
  }
  return job_->Deliver(group);
}

// ---------------------------------------------------------------------------
// Learners

absl::StatusOr<const MemberInfo*> Controller::TouchLearner(uint64_t id,
                                                           uint64_t epoch) {
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       members_.Touch(id, epoch));
  if (member->role == v1::ROLE_LEARNER && member->certified()) return member;
  return absl::FailedPreconditionError(
      absl::StrCat(member->name, " is not a learner with a certificate"));
}

absl::Status Controller::TouchRankZero(uint64_t id, uint64_t epoch) {
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member, TouchLearner(id, epoch));
  if (job_->over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job has ", StateName(job_->state())));
  }
  if (member->rank == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "rank: only rank 0 commits, ", member->name, " has rank ", member->rank));
}

absl::StatusOr<bool> Controller::TryNextStage(
    const v1::NextStageRequest& request, v1::NextStageResponse* response) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       TouchLearner(request.member_id(), request.epoch()));
  const uint32_t rank = member->rank;
  const v1::Directive directive = DirectiveFor(*member);
  const JobRun::Ask ask = job_->AskStage(rank, LearnersAreThere());
  if (ask == JobRun::Ask::kWait) return false;
  response->set_directive(ask == JobRun::Ask::kEnded ? v1::DIRECTIVE_STOP
                                                     : directive);
  if (ask == JobRun::Ask::kAssigned) FillStage(response);
  return true;
}

void Controller::FillStage(v1::NextStageResponse* response) {
  const Position& position = job_->position();
  const auto& checkpoint = job_->history().checkpoint();
  response->set_stage_ready(true);
  response->set_stage(position.stage);
  response->set_first_step(position.step);
  if (checkpoint.has_value()) response->set_checkpoint(checkpoint->directory);
  for (uint32_t i = 0; i < parts_.plan->learners; ++i) {
    response->add_learner_addresses(members_.Learner(i)->address);
  }
  response->set_group_epoch(job_->ranks().epoch());
  response->set_chain(position.chain.ToBytes());
}

absl::StatusOr<bool> Controller::TryBeginStep(
    const v1::BeginStepRequest& request, v1::BeginStepResponse* response) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       TouchLearner(request.member_id(), request.epoch()));
  AHA_RETURN_IF_ERROR(
      job_->CheckNextStep(member->rank, request.stage(), request.step()));
  response->set_progress(job_->waits().progress());
  response->set_go(v1::BeginStepResponse::GO);
  if (job_->run()->step_in_progress()) return true;
  if (job_->state() == run::JobState::kStopping) {
    response->set_go(v1::BeginStepResponse::STOP_AFTER_CHECKPOINT);
    return true;
  }
  if (job_->state() != run::JobState::kRunning) {
    response->set_go(v1::BeginStepResponse::WAIT);
    return false;
  }
  job_->run()->BeginStep(request.step());
  return true;
}

absl::Status Controller::CommitStep(const v1::CommitStepRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(TouchRankZero(request.member_id(), request.epoch()));
  AHA_ASSIGN_OR_RETURN(const CommitRecord commit,
                       ReadCommit(request, *parts_.plan, parts_.wall_clock()));
  return job_->CommitStep(commit,
                          {request.metrics().begin(), request.metrics().end()});
}

absl::Status Controller::CommitCheckpoint(
    const v1::CommitCheckpointRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(TouchRankZero(request.member_id(), request.epoch()));
  AHA_ASSIGN_OR_RETURN(const CheckpointRecord record, ReadCheckpoint(request));
  return job_->CommitCheckpoint(record);
}

// ---------------------------------------------------------------------------
// Weights

void Controller::PieceSent() {
  MutexLock lock(mutex_);
  job_->waits().AddProgress();
}

absl::Status Controller::AdmitVersion(WeightsId id, uint64_t member_id,
                                      uint64_t epoch) {
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(TouchRankZero(member_id, epoch));
  return job_->AdmitVersion(id);
}

absl::Status Controller::VersionArrived(WeightsId id) {
  const Change change(*this);
  MutexLock lock(mutex_);
  return job_->VersionArrived(id);
}

// ---------------------------------------------------------------------------
// Administrators

v1::JobStatus Controller::Status() {
  MutexLock lock(mutex_);
  return ShowJob({.plan = parts_.plan,
                  .job = job_.get(),
                  .members = &members_,
                  .run_directory = parts_.directory->path()});
}

std::vector<v1::Member> Controller::Members() {
  MutexLock lock(mutex_);
  const Ledger* const ledger = job_->ledger();
  std::vector<v1::Member> shown;
  for (const MemberInfo* member : members_.All()) {
    shown.push_back(
        ShowMember(*member, ledger == nullptr ? 0 : ledger->HeldBy(member->id),
                   parts_.clock()));
  }
  return shown;
}

absl::Status Controller::Pause() {
  const Change change(*this);
  MutexLock lock(mutex_);
  return job_->Pause();
}

absl::Status Controller::Resume() {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(job_->Resume(LearnersAreThere()));
  KeepCertificate();
  return absl::OkStatus();
}

absl::Status Controller::Stop(const std::string& why) {
  const Change change(*this);
  MutexLock lock(mutex_);
  return job_->Stop(why, LearnersAreThere());
}

absl::Status Controller::Drain(const std::string& name) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(members_.Drain(name));
  job_->recorder().Event("drain", name);
  return absl::OkStatus();
}

}  // namespace aha::coordinator
