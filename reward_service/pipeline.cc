#include "reward_service/pipeline.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace aha::reward {
namespace {

// When a stream has more closed groups than this, all of them are forgotten.  A
// late trajectory of one is then refused as if its group had never been opened.
constexpr size_t kMaxClosed = 1 << 16;

v1::SubmitResponse AckOf(const GroupId& id, const absl::Status& status) {
  v1::SubmitResponse response;
  v1::GroupAck& ack = *response.mutable_ack();
  *ack.mutable_key() = id.ToProto();
  ack.set_code(static_cast<int32_t>(status.code()));
  ack.set_message(std::string(status.message().substr(0, 2000)));
  return response;
}

}  // namespace

struct Pipeline::Effects {
  std::vector<std::pair<StreamId, v1::SubmitResponse>> responses;
  std::vector<std::function<void()>> tasks;  // For the workers.
  std::vector<WholeGroup> whole;
  std::function<void()> rejoin;
  std::vector<absl::Status> refused;
  uint64_t pending_bytes = 0;
};

Pipeline::Pipeline(PipelineOptions options, Parts parts)
    : options_(options),
      parts_(std::move(parts)),
      assembler_(options.max_bytes) {}

void Pipeline::SetScorer(Scorer scorer) {
  MutexLock lock(mutex_);
  scorer_ = std::move(scorer);
}

void Pipeline::SetOnNewerEpoch(std::function<void()> callback) {
  MutexLock lock(mutex_);
  on_newer_epoch_ = std::move(callback);
}

void Pipeline::SetEpoch(uint64_t epoch) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    epoch_ = epoch;
    for (const GroupId& id : assembler_.OlderThanEpoch(epoch)) {
      GiveUp(id,
             absl::FailedPreconditionError(
                 absl::StrCat("the coordinator's epoch is ", epoch, " now")),
             effects);
    }
    Settle(effects);
  }
  Run(std::move(effects));
}

void Pipeline::Connect(StreamId stream) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    streams_[stream].owed = options_.initial_credit;
    Settle(effects);
  }
  Run(std::move(effects));
}

void Pipeline::Disconnect(StreamId stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  assembler_.Disconnect(stream);
}

absl::Status Pipeline::Receive(StreamId stream,
                               const v1::SubmitRequest& request) {
  const uint64_t bytes = request.ByteSizeLong();
  if (parts_.stats.received) parts_.stats.received(bytes);
  Effects effects;
  {
    MutexLock lock(mutex_);
    const auto it = streams_.find(stream);
    if (it == streams_.end()) return absl::OkStatus();
    if (it->second.balance < 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("sent ", bytes, " bytes while ", -it->second.balance,
                       " bytes over the credit that was granted"));
    }
    it->second.balance -= static_cast<int64_t>(bytes);
    switch (request.kind_case()) {
      case v1::SubmitRequest::kOpen:
        Open(stream, request.open(), effects);
        Owe(stream, bytes);
        break;
      case v1::SubmitRequest::kTrajectory:
        Add(stream, request.trajectory(), bytes, effects);
        break;
      case v1::SubmitRequest::KIND_NOT_SET:
        Owe(stream, bytes);
        break;
    }
    for (const GroupId& id : assembler_.Excess(options_.max_bytes)) {
      GiveUp(id,
             absl::UnavailableError(absl::StrCat(
                 "over ", options_.max_bytes,
                 " bytes of unfinished groups are held; send it again later")),
             effects);
    }
    Settle(effects);
  }
  Run(std::move(effects));
  return absl::OkStatus();
}

void Pipeline::Open(StreamId stream, const v1::GroupContext& context,
                    Effects& effects) {
  const GroupId id = GroupId::Of(context.key());
  if (context.epoch() < epoch_) {
    return Ack(stream, id,
               absl::FailedPreconditionError(
                   absl::StrCat("group of epoch ", context.epoch(),
                                "; the coordinator's is ", epoch_)),
               effects);
  }
  if (context.epoch() > epoch_ || scorer_ == nullptr) {
    if (scorer_ != nullptr) effects.rejoin = on_newer_epoch_;
    return Ack(stream, id,
               absl::UnavailableError(
                   absl::StrCat("group of epoch ", context.epoch(),
                                "; this replica is still in ", epoch_)),
               effects);
  }
  absl::StatusOr<std::optional<WholeGroup>> whole =
      assembler_.Open(stream, context, parts_.clock());
  if (absl::IsDataLoss(whole.status())) {
    effects.refused.push_back(whole.status());
    GiveUp(id, whole.status(), effects);
  }
  if (!whole.ok()) return Ack(stream, id, whole.status(), effects);
  streams_[stream].closed.erase(id);
  if (whole->has_value()) effects.whole.push_back(**whole);
}

void Pipeline::Add(StreamId stream, const v1::TrajectoryOf& message,
                   uint64_t bytes, Effects& effects) {
  const GroupId id = GroupId::Of(message.key());
  // The sender had not yet read that the group was acknowledged.
  if (streams_[stream].closed.contains(id)) return Owe(stream, bytes);
  absl::StatusOr<std::optional<Ticket>> ticket =
      assembler_.Add(stream, id, message.trajectory(), parts_.clock());
  if (!ticket.ok()) {
    Owe(stream, bytes);
    absl::Status status = ticket.status();
    if (absl::IsNotFound(status)) {
      status = absl::InvalidArgumentError(status.message());
      effects.refused.push_back(status);
      return Ack(stream, id, status, effects);
    }
    effects.refused.push_back(status);
    return GiveUp(id, status, effects);
  }
  if (!ticket->has_value()) return Owe(stream, bytes);
  effects.tasks.push_back([this, ticket = **ticket, stream, bytes] {
    ScoreOne(ticket, stream, bytes);
  });
}

void Pipeline::GiveUp(const GroupId& id, const absl::Status& why,
                      Effects& effects) {
  for (StreamId stream : assembler_.Forget(id)) Ack(stream, id, why, effects);
}

void Pipeline::Ack(StreamId stream, const GroupId& id,
                   const absl::Status& status, Effects& effects) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.closed.size() >= kMaxClosed) it->second.closed.clear();
  it->second.closed.insert(id);
  effects.responses.emplace_back(stream, AckOf(id, status));
}

void Pipeline::Owe(StreamId stream, uint64_t bytes) {
  const auto it = streams_.find(stream);
  if (it != streams_.end()) it->second.owed += bytes;
}

void Pipeline::Settle(Effects& effects) {
  effects.pending_bytes = assembler_.bytes();
  if (assembler_.bytes() > options_.max_bytes) return;
  for (auto& [id, stream] : streams_) {
    if (stream.owed == 0) continue;
    v1::SubmitResponse response;
    stream.balance += static_cast<int64_t>(stream.owed);
    response.set_credit_bytes(std::exchange(stream.owed, 0));
    effects.responses.emplace_back(id, std::move(response));
  }
}

void Pipeline::Run(Effects effects) {
  for (const absl::Status& status : effects.refused) {
    AHA_LOG(kError) << "refused: " << status.ToString();
    if (parts_.stats.refused) parts_.stats.refused(status);
  }
  if (parts_.stats.pending_bytes) {
    parts_.stats.pending_bytes(effects.pending_bytes);
  }
  for (const auto& [stream, response] : effects.responses) {
    parts_.outbox->Send(stream, response);
  }
  for (std::function<void()>& task : effects.tasks) {
    parts_.executor(std::move(task));
  }
  for (const WholeGroup& group : effects.whole) Deliver(group);
  if (effects.rejoin) effects.rejoin();
}

void Pipeline::ScoreOne(const Ticket& ticket, StreamId stream, uint64_t bytes) {
  std::optional<Completion> completion;
  Scorer scorer;
  {
    MutexLock lock(mutex_);
    completion = assembler_.Get(ticket);
    scorer = scorer_;
  }
  if (!completion.has_value()) {
    return Scored(ticket, stream, bytes,
                  absl::CancelledError("group was given up"));
  }
  scorer(*std::move(completion),
         [this, ticket, stream, bytes,
          began = parts_.clock()](absl::StatusOr<Score> score) {
           if (score.ok() && !std::isfinite(score->reward)) {
             score = absl::InternalError(
                 absl::StrCat("the rewards have the sum ", score->reward));
           }
           if (score.ok() && parts_.stats.scored) {
             parts_.stats.scored(*score, parts_.clock() - began);
           }
           if (!score.ok()) {
             AHA_LOG(kError)
                 << "scoring " << ticket.id.ToString() << " sample "
                 << ticket.sample << " failed: " << score.status().ToString();
             if (parts_.stats.infra_error) {
               parts_.stats.infra_error(score.status());
             }
           }
           Scored(ticket, stream, bytes, std::move(score));
         });
}

void Pipeline::Scored(const Ticket& ticket, StreamId stream, uint64_t bytes,
                      absl::StatusOr<Score> score) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    Owe(stream, bytes);
    if (score.ok()) {
      std::optional<WholeGroup> whole =
          assembler_.SetScore(ticket, *std::move(score));
      if (whole.has_value()) effects.whole.push_back(*std::move(whole));
    } else if (assembler_.Get(ticket).has_value()) {
      GiveUp(ticket.id,
             absl::UnavailableError(
                 absl::StrCat("scoring failed: ", score.status().message())),
             effects);
    }
    Settle(effects);
  }
  Run(std::move(effects));
}

void Pipeline::Deliver(const WholeGroup& group) {
  parts_.forwarder->Deliver(
      group.message,
      [this, group] {
        MutexLock lock(mutex_);
        return assembler_.Current(group);
      },
      [this, group, whole = parts_.clock()](const absl::Status& status) {
        Delivered(group, whole, status);
      });
}

void Pipeline::Delivered(const WholeGroup& group, absl::Time whole,
                         const absl::Status& status) {
  if (status.ok() && parts_.stats.delivered) {
    parts_.stats.delivered(parts_.clock() - whole);
  }
  if (absl::IsDataLoss(status)) {
    AHA_LOG(kError) << "consumer "
                    << group.message->group().context().consumer()
                    << " says of " << group.id.ToString() << ": "
                    << status.ToString();
  }
  Effects effects;
  {
    MutexLock lock(mutex_);
    if (assembler_.Current(group)) GiveUp(group.id, status, effects);
    Settle(effects);
  }
  Run(std::move(effects));
}

void Pipeline::Tick() {
  Effects effects;
  {
    MutexLock lock(mutex_);
    for (const GroupId& id :
         assembler_.Overdue(parts_.clock(), options_.partial_ttl)) {
      AHA_LOG(kInfo) << "gave up a partial group that was not completed: "
                     << id.ToString();
      GiveUp(
          id,
          absl::UnavailableError(absl::StrCat(
              "nothing came for ", absl::FormatDuration(options_.partial_ttl),
              "; open it again")),
          effects);
    }
    Settle(effects);
  }
  Run(std::move(effects));
}

uint64_t Pipeline::pending_bytes() const {
  MutexLock lock(mutex_);
  return assembler_.bytes();
}

}  // namespace aha::reward
