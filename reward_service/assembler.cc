#include "reward_service/assembler.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "google/protobuf/util/message_differencer.h"
#include "reward_service/validate.h"

namespace aha::reward {
namespace {

bool Serves(const std::vector<StreamId>& streams, StreamId stream) {
  return absl::c_linear_search(streams, stream);
}

}  // namespace

absl::Status Assembler::SameGroup(const v1::GroupContext& before,
                                  const v1::GroupContext& now) {
  v1::GroupContext moved = before;
  moved.set_consumer(now.consumer());
  google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  if (differencer.Compare(moved, now)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("group of ", GroupId::Of(now.key()).ToString(),
                   " was announced twice with different content: ",
                   absl::string_view(difference).substr(0, 400)));
}

absl::StatusOr<std::optional<WholeGroup>> Assembler::Open(
    StreamId stream, const v1::GroupContext& context, absl::Time now) {
  AHA_RETURN_IF_ERROR(ValidateContext(context));
  const GroupId id = GroupId::Of(context.key());
  auto [it, added] = groups_.try_emplace(id);
  Group& group = it->second;
  group.touched = now;
  if (added) {
    group.incarnation = next_incarnation_++;
    group.context = context;
    group.samples.resize(context.num_generations());
    group.scored.resize(context.num_generations());
    group.missing = context.num_generations();
    group.bytes = context.ByteSizeLong();
    bytes_ += group.bytes;
  } else {
    AHA_RETURN_IF_ERROR(SameGroup(group.context, context));
  }
  if (!Serves(group.streams, stream)) group.streams.push_back(stream);
  if (group.context.consumer() == context.consumer()) return std::nullopt;
  group.context.set_consumer(context.consumer());
  if (group.whole == nullptr) return std::nullopt;
  return Close(id, group);
}

absl::StatusOr<std::optional<Ticket>> Assembler::Add(StreamId stream,
                                                     const GroupId& id,
                                                     v1::Trajectory trajectory,
                                                     absl::Time now) {
  const auto it = groups_.find(id);
  if (it == groups_.end() || !Serves(it->second.streams, stream)) {
    return absl::NotFoundError(
        absl::StrCat("group of ", id.ToString(), " is not open"));
  }
  Group& group = it->second;
  AHA_RETURN_IF_ERROR(ValidateTrajectory(group.context, trajectory));
  group.touched = now;
  const uint32_t sample = trajectory.sample();
  std::optional<v1::ScoredTrajectory>& place = group.samples[sample];
  if (place.has_value()) {
    // Close moved the trajectories of a whole group.
    const v1::ScoredTrajectory& before =
        group.whole ? group.whole->group().trajectories(sample) : *place;
    if (before.trajectory().SerializeAsString() ==
        trajectory.SerializeAsString()) {
      return std::nullopt;
    }
    return absl::DataLossError(
        absl::StrCat("group of ", id.ToString(), ", sample ", sample,
                     ": two deliveries differ; sampling is not exact"));
  }
  const uint64_t bytes = trajectory.ByteSizeLong();
  if (group.bytes + bytes > max_group_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("group of ", id.ToString(), " must have at most ",
                     max_group_bytes_, " bytes, got ", group.bytes + bytes));
  }
  group.bytes += bytes;
  bytes_ += bytes;
  *place.emplace().mutable_trajectory() = std::move(trajectory);
  return Ticket{id, group.incarnation, sample};
}

const Assembler::Group* Assembler::Find(const Ticket& ticket) const {
  const auto it = groups_.find(ticket.id);
  if (it == groups_.end() || it->second.incarnation != ticket.incarnation) {
    return nullptr;
  }
  return &it->second;
}

Assembler::Group* Assembler::Find(const Ticket& ticket) {
  return const_cast<Group*>(std::as_const(*this).Find(ticket));
}

std::optional<Completion> Assembler::Get(const Ticket& ticket) const {
  const Group* group = Find(ticket);
  if (group == nullptr) return std::nullopt;
  const v1::Trajectory& trajectory =
      group->samples[ticket.sample]->trajectory();
  const v1::GroupContext& context = group->context;
  std::map<std::string, std::string> fields;
  for (const v1::PromptField& field : context.fields()) {
    fields.emplace_hint(fields.end(), field.name(), field.value());
  }
  return Completion{
      .prompt = context.prompt(),
      .reference = context.reference(),
      .fields = std::move(fields),
      .text = absl::StrCat(context.opening(), trajectory.completion()),
      .truncated = trajectory.finish_reason() == v1::FINISH_REASON_LENGTH,
      .token_ids = {trajectory.token_ids().begin(),
                    trajectory.token_ids().end()},
      .turns = {context.turns().begin(), context.turns().end()},
      .group = ticket.id,
      .sample = ticket.sample};
}

std::optional<WholeGroup> Assembler::SetScore(const Ticket& ticket,
                                              Score score) {
  Group* group = Find(ticket);
  if (group == nullptr || group->scored[ticket.sample]) return std::nullopt;
  group->scored[ticket.sample] = true;
  v1::ScoredTrajectory& scored = *group->samples[ticket.sample];
  scored.set_reward(score.reward);
  scored.mutable_parts()->Assign(score.parts.begin(), score.parts.end());
  if (--group->missing > 0) return std::nullopt;
  return Close(ticket.id, *group);
}

WholeGroup Assembler::Close(const GroupId& id, Group& group) {
  auto message = std::make_shared<v1::DeliverRequest>();
  if (group.whole != nullptr) {
    *message = *group.whole;
  } else {
    for (std::optional<v1::ScoredTrajectory>& sample : group.samples) {
      *message->mutable_group()->add_trajectories() = std::move(*sample);
    }
  }
  *message->mutable_group()->mutable_context() = group.context;
  group.whole = std::move(message);
  return {id, group.incarnation, ++group.delivery, group.whole};
}

bool Assembler::Current(const WholeGroup& whole) const {
  const Group* group = Find(Ticket{whole.id, whole.incarnation, 0});
  return group != nullptr && group->delivery == whole.delivery;
}

std::vector<StreamId> Assembler::Forget(const GroupId& id) {
  const auto it = groups_.find(id);
  if (it == groups_.end()) return {};
  std::vector<StreamId> streams = std::move(it->second.streams);
  bytes_ -= it->second.bytes;
  groups_.erase(it);
  return streams;
}

void Assembler::Disconnect(StreamId stream) {
  for (auto& [id, group] : groups_) {
    group.streams.erase(
        std::remove(group.streams.begin(), group.streams.end(), stream),
        group.streams.end());
  }
}

std::vector<GroupId> Assembler::Overdue(absl::Time now,
                                        absl::Duration ttl) const {
  std::vector<GroupId> overdue;
  for (const auto& [id, group] : groups_) {
    // A group that is all here waits for its scores, and their time is limited
    // elsewhere.
    const bool partial = absl::c_any_of(
        group.samples, [](const auto& sample) { return !sample.has_value(); });
    if (group.whole == nullptr && partial && now - group.touched > ttl) {
      overdue.push_back(id);
    }
  }
  return overdue;
}

std::vector<GroupId> Assembler::Excess(uint64_t max_bytes) const {
  if (bytes_ <= max_bytes) return {};
  std::vector<std::pair<uint64_t, GroupId>> orphans, served;
  for (const auto& [id, group] : groups_) {
    if (group.whole != nullptr) continue;
    (group.streams.empty() ? orphans : served)
        .emplace_back(group.incarnation, id);
  }
  absl::c_sort(orphans);
  absl::c_sort(served, std::greater<>());
  if (!served.empty()) served.pop_back();
  orphans.insert(orphans.end(), served.begin(), served.end());
  uint64_t left = bytes_;
  std::vector<GroupId> excess;
  for (const auto& [incarnation, id] : orphans) {
    if (left <= max_bytes) break;
    left -= groups_.at(id).bytes;
    excess.push_back(id);
  }
  return excess;
}

std::vector<GroupId> Assembler::OlderThanEpoch(uint64_t epoch) const {
  std::vector<GroupId> older;
  for (const auto& [id, group] : groups_) {
    if (group.context.epoch() < epoch) older.push_back(id);
  }
  return older;
}

}  // namespace aha::reward
