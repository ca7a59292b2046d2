// What time brings: members that fell silent, and waits that last too long.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "coordinator/controller.h"

namespace aha::coordinator {

void Controller::Tick() {
  std::function<void()> listener;
  {
    MutexLock lock(mutex_);
    const absl::Time now = parts_.clock();
    const std::pair before(state_, history_.position().stage);
    const std::vector<MemberInfo> dead = members_.Expire();
    for (const MemberInfo& member : dead) {
      Lost(member,
           absl::StrCat(member.gone ? "its connection broke, " : "",
                        "not heard of for ",
                        absl::FormatDuration(absl::Trunc(
                            now - member.last_seen, absl::Milliseconds(1)))));
    }
    const uint64_t expired = ledger_.has_value() ? ledger_->Expire() : 0;
    parts_.series.leases_expired.Increment(static_cast<double>(expired));
    // The disk took nothing when the last group came.
    if (board_.has_value() && board_->Complete()) RecordEval();
    if (!over()) CheckWaits(now);
    last_tick_ = now;
    UpdateGauges();
    if (!dead.empty() || expired > 0 ||
        before != std::pair(state_, history_.position().stage)) {
      listener = listener_;
    }
  }
  if (listener) listener();
}

absl::Status Controller::Stored(absl::Status status) {
  const std::string problem =
      absl::IsUnavailable(status) ? std::string(status.message()) : "";
  if (!problem.empty() && disk_problem_.empty()) {
    AHA_LOG(kError) << problem << "; nothing is recorded until it is";
    parts_.directory->Event("problem", problem);
    parts_.series.problems.Increment();
  }
  disk_problem_ = problem;
  return status;
}

std::vector<std::pair<std::string, std::string>> Controller::Missing() const {
  std::vector<std::pair<std::string, std::string>> missing;
  if (going_back_.has_value()) {
    missing.emplace_back("checkpoint", "the newest checkpoint to be verified");
    return missing;
  }
  if (!disk_problem_.empty()) {
    missing.emplace_back(
        "disk",
        absl::StrCat("room for what must be recorded (", disk_problem_, ")"));
  }
  const bool eval_runs = board_.has_value() && start_visible_;
  const std::string learners = MissingLearners();
  if (!learners.empty() && !eval_runs)
    missing.emplace_back("learners", learners);
  if (ledger_.has_value()) {
    if (members_.Count(v1::ROLE_REWARD) == 0) {
      missing.emplace_back("reward_replicas", "a reward replica");
    }
    const LedgerCounts counts = ledger_->Counts();
    if (members_.Count(v1::ROLE_ACTOR) == 0 &&
        counts.pending + counts.leased > 0) {
      missing.emplace_back(
          "actors", absl::StrCat("an actor (", counts.pending + counts.leased,
                                 " groups to sample)"));
    }
  }
  if (learners.empty() && !start_visible_) {
    missing.emplace_back(
        "weights", absl::StrCat("rank 0 to publish the first weights of stage ",
                                history_.position().stage, " (", plan().name,
                                ", version ", first_step_, ")"));
  }
  return missing;
}

void Controller::CheckWaits(absl::Time now) {
  if (state_ == v1::JOB_STATE_PAUSED) {
    unmoved_.reset();
    return missing_since_.clear();
  }
  const auto missing = Missing();
  std::map<std::string, absl::Time> since;
  for (const auto& [what, text] : missing) {
    const auto it = missing_since_.find(what);
    since[what] = it == missing_since_.end() ? now : it->second;
    if (const auto series = parts_.series.waits.find(what);
        series != parts_.series.waits.end()) {
      series->second.Increment(
          std::max(0.0, absl::ToDoubleSeconds(now - last_tick_)));
    }
    if (now - since[what] > parts_.plan->wait) {
      return Fail(absl::StrCat("waited ",
                               absl::FormatDuration(parts_.plan->wait), " for ",
                               text, " (cluster.wait_seconds); see its log"));
    }
  }
  missing_since_ = std::move(since);
  CheckEvalGroups(now, !missing.empty());
}

void Controller::CheckEvalGroups(absl::Time now, bool others_missing) {
  if (!board_.has_value() || !start_visible_ || others_missing) {
    return unmoved_.reset();
  }
  if (!unmoved_.has_value() || unmoved_->first != progress_) {
    unmoved_ = {progress_, now};
  }
  if (now - unmoved_->second <= parts_.plan->wait) return;
  Fail(absl::StrCat("eval stage ", history_.position().stage, " (", plan().name,
                    "): nothing moved for ",
                    absl::FormatDuration(parts_.plan->wait),
                    " (cluster.wait_seconds), ", board_->scored(), " of ",
                    plan().groups, " groups arrived; ", UnscoredGroups(),
                    "; see the actors' and reward replicas' logs"));
}

std::string Controller::UnscoredGroups() const {
  constexpr size_t kMostNamed = 8;
  std::map<uint64_t, std::vector<uint32_t>> slots;  // By actor.
  for (const LedgerHold& hold : ledger_->Holds()) {
    slots[hold.member].push_back(hold.slot);
  }
  std::vector<std::string> parts;
  for (auto& [id, held] : slots) {
    const MemberInfo* actor = members_.Find(id);
    if (actor == nullptr) continue;
    const size_t all = held.size();
    held.resize(std::min(all, kMostNamed));
    parts.push_back(absl::StrCat(
        actor->name, " has slot ", absl::StrJoin(held, ", "),
        all > held.size() ? absl::StrCat(" and ", all - held.size(), " more")
                          : "",
        actor->waiting_for.empty() ? " and reports no wait" : " and waits for ",
        actor->waiting_for));
  }
  if (const uint64_t pending = ledger_->Counts().pending; pending > 0) {
    parts.push_back(absl::StrCat("nobody asks for ", pending, " groups"));
  }
  return absl::StrJoin(parts, "; ");
}

void Controller::ShowProgress() {
  parts_.series.last_progress.Set(
      absl::ToDoubleSeconds(parts_.wall_clock() - absl::UnixEpoch()));
}

void Controller::UpdateGauges() {
  const Series& series = parts_.series;
  const auto number = [](uint64_t n) { return static_cast<double>(n); };
  series.actors.Set(number(members_.Count(v1::ROLE_ACTOR)));
  series.rewards.Set(number(members_.Count(v1::ROLE_REWARD)));
  series.learners.Set(number(members_.Count(v1::ROLE_LEARNER)));
  const LedgerCounts counts =
      ledger_.has_value() ? ledger_->Counts() : LedgerCounts{};
  series.groups_pending.Set(static_cast<double>(counts.pending));
  series.groups_in_flight.Set(static_cast<double>(counts.leased));
  series.groups_delivered.Set(static_cast<double>(counts.delivered));
}

}  // namespace aha::coordinator
