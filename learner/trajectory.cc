#include "learner/trajectory.h"

#include <charconv>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "rl/checksum.h"

namespace aha::learner {
namespace {

// Shortest text that reads back as the same number.
template <class Number>
void AppendNumber(std::string* text, Number value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text->append(buffer, end.ptr);
}

template <class Numbers>
void AppendNumbers(std::string* text, const Numbers& numbers) {
  text->push_back('[');
  bool first = true;
  for (const auto number : numbers) {
    if (!first) text->push_back(',');
    first = false;
    AppendNumber(text, number);
  }
  text->push_back(']');
}

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false,
                                   nlohmann::json::error_handler_t::replace);
}

// ,"verdicts":{"accuracy":{"outcome":"score","evidence":"..."}}, if the reward
// service sent any.
void AppendVerdicts(const v1::ScoredTrajectory& scored, std::string* line) {
  std::string verdicts;
  for (const v1::RewardPart& part : scored.parts()) {
    absl::string_view outcome = v1::RewardOutcome_Name(part.outcome());
    if (part.outcome() == v1::REWARD_OUTCOME_UNSPECIFIED ||
        !absl::ConsumePrefix(&outcome, "REWARD_OUTCOME_")) {
      continue;
    }
    absl::StrAppend(&verdicts, verdicts.empty() ? "" : ",", Quoted(part.name()),
                    ":{\"outcome\":\"", absl::AsciiStrToLower(outcome),
                    "\",\"evidence\":", Quoted(part.evidence()), "}");
  }
  if (!verdicts.empty()) {
    absl::StrAppend(line, ",\"verdicts\":{", verdicts, "}");
  }
}

}  // namespace

std::vector<float> LogProbsOf(const v1::Trajectory& trajectory) {
  const std::string& bytes = trajectory.logprobs();
  std::vector<float> logprobs(bytes.size() / sizeof(float));
  if (!logprobs.empty()) {
    std::memcpy(logprobs.data(), bytes.data(), logprobs.size() * sizeof(float));
  }
  return logprobs;
}

TrainSequence SequenceOf(const v1::GroupContext& context,
                         const v1::Trajectory& trajectory) {
  TrainSequence sequence;
  sequence.prompt_length = context.prompt_token_ids_size();
  sequence.tokens.assign(context.prompt_token_ids().begin(),
                         context.prompt_token_ids().end());
  sequence.tokens.insert(sequence.tokens.end(), trajectory.token_ids().begin(),
                         trajectory.token_ids().end());
  return sequence;
}

Hash128 DigestOf(const v1::ScoredGroup& group) {
  std::vector<std::vector<float>> logprobs;
  std::vector<TrajectoryRecord> records;
  logprobs.reserve(static_cast<size_t>(group.trajectories_size()));
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    const v1::Trajectory& trajectory = scored.trajectory();
    logprobs.push_back(LogProbsOf(trajectory));
    records.push_back(
        {.token_ids = absl::MakeConstSpan(
             trajectory.token_ids().data(),
             static_cast<size_t>(trajectory.token_ids_size())),
         .logprobs = logprobs.back(),
         .reward = scored.reward(),
         .finish_reason = static_cast<uint32_t>(trajectory.finish_reason())});
  }
  const v1::GroupKey& key = group.context().key();
  return GroupDigest(
      {.stage = key.stage(), .step = key.step(), .slot = key.slot()}, records);
}

std::string RolloutLine(const v1::GroupContext& context,
                        const v1::ScoredTrajectory& scored, float advantage) {
  const v1::Trajectory& trajectory = scored.trajectory();
  std::string line = absl::StrCat(
      "{\"step\":", context.key().step(), ",\"slot\":", context.key().slot(),
      ",\"sample\":", trajectory.sample(),
      ",\"prompt_id\":", Quoted(context.prompt_id()),
      ",\"prompt\":", Quoted(context.prompt()),
      ",\"reference\":", Quoted(context.reference()),
      ",\"completion\":", Quoted(trajectory.completion()), ",\"token_ids\":");
  AppendNumbers(&line, trajectory.token_ids());
  line += ",\"logprobs\":";
  AppendNumbers(&line, LogProbsOf(trajectory));
  absl::StrAppend(
      &line, ",\"policy_version\":", context.policy().version(),
      ",\"finish_reason\":\"",
      trajectory.finish_reason() == v1::FINISH_REASON_STOP ? "stop" : "length",
      "\",\"reward\":");
  AppendNumber(&line, scored.reward());
  line += ",\"rewards\":{";
  for (const v1::RewardPart& part : scored.parts()) {
    absl::StrAppend(&line, line.back() == '{' ? "" : ",", Quoted(part.name()),
                    ":");
    AppendNumber(&line, part.value());
  }
  line += '}';
  AppendVerdicts(scored, &line);
  line += ",\"advantage\":";
  AppendNumber(&line, advantage);
  line += "}\n";
  return line;
}

}  // namespace aha::learner
