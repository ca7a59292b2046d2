// aha-model loss: the loss that a step would have, its statistics and its
// gradient.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "model/backprop.h"
#include "model/generator.h"
#include "model/gradient_sum.h"
#include "nlohmann/json.hpp"
#include "rl/advantage.h"
#include "rl/algorithm.h"
#include "rl/losses.h"
#include "tools/aha_model/aha_model_common.h"

namespace aha::cli {
namespace {

struct Settings {
  LossOptions loss;
  AdvantageOptions advantage;
  double temperature = 1;
};

// The value of the key, or a usage error that names the rule.
absl::Status SetDouble(absl::string_view key, absl::string_view text,
                       double* out) {
  if (absl::SimpleAtod(text, out) && std::isfinite(*out)) {
    return absl::OkStatus();
  }
  return UsageError(
      absl::StrCat("--set ", key, " must be a number, got ", text));
}

absl::Status AsUsage(const absl::Status& status) {
  return status.ok() ? status : UsageError(status.message());
}

absl::Status SetFlag(absl::string_view key, absl::string_view text, bool* out) {
  if (absl::SimpleAtob(text, out)) return absl::OkStatus();
  return UsageError(
      absl::StrCat("--set ", key, " must be true or false, got ", text));
}

// Stores what a name stands for, or turns the refusal into a usage error.
template <class Value>
absl::Status SetChoice(const absl::StatusOr<Value>& choice, Value* out) {
  if (choice.ok()) *out = *choice;
  return AsUsage(choice.status());
}

// The options whose values are names.
absl::Status SetNamedOption(absl::string_view key, absl::string_view text,
                            Settings* settings) {
  if (key == "loss_type") {
    return SetChoice(ParseLossType(text), &settings->loss.loss_type);
  }
  if (key == "importance_sampling_level") {
    return SetChoice(ParseImportanceLevel(text), &settings->loss.importance);
  }
  if (key == "scale_rewards") {
    return SetChoice(ParseScaleRewards(text), &settings->advantage.scale);
  }
  if (key == "advantage_estimator") {
    return SetChoice(ParseAdvantageEstimator(text),
                     &settings->advantage.estimator);
  }
  return UsageError(absl::StrCat(
      "--set ", key,
      " is not known; known are epsilon, epsilon_high, delta, dual_clip, beta, "
      "importance_sampling_level, mask_truncated_completions, "
      "max_completion_length, loss_type, advantage_estimator, scale_rewards, "
      "temperature"));
}

absl::Status SetOption(absl::string_view key, absl::string_view text,
                       Settings* settings) {
  LossOptions& loss = settings->loss;
  if (key == "epsilon") return SetDouble(key, text, &loss.epsilon);
  if (key == "beta") return SetDouble(key, text, &loss.beta);
  if (key == "temperature") return SetDouble(key, text, &settings->temperature);
  for (const auto& [name, field] :
       {std::pair("epsilon_high", &loss.epsilon_high),
        std::pair("delta", &loss.delta),
        std::pair("dual_clip", &loss.dual_clip)}) {
    if (key == name) return SetDouble(key, text, &field->emplace());
  }
  if (key == "mask_truncated_completions") {
    return SetFlag(key, text, &loss.mask_truncated);
  }
  if (key == "max_completion_length") {
    if (absl::SimpleAtoi(text, &loss.max_completion_length)) {
      return absl::OkStatus();
    }
    return UsageError(
        absl::StrCat("--set ", key, " must be an integer, got ", text));
  }
  return SetNamedOption(key, text, settings);
}

// What --algorithm names: a preset of rl/algorithm.h, or a loss type by itself
// (bnpo), which then has the defaults beside it.
absl::StatusOr<Settings> SettingsOf(const std::string& algorithm) {
  const absl::StatusOr<const Algorithm*> preset = FindAlgorithm(algorithm);
  if (preset.ok()) {
    return Settings{.loss = (*preset)->loss, .advantage = (*preset)->advantage};
  }
  const absl::StatusOr<LossType> type = ParseLossType(algorithm);
  if (type.ok()) {
    Settings settings;
    settings.loss.loss_type = *type;
    return settings;
  }
  return UsageError(absl::StrCat("--algorithm: ", preset.status().message()));
}

absl::StatusOr<Settings> ParseSettings(const LossOptionsText& text) {
  AHA_ASSIGN_OR_RETURN(Settings settings, SettingsOf(text.algorithm));
  for (const std::string& setting : text.settings) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(setting, absl::MaxSplits('=', 1));
    AHA_RETURN_IF_ERROR(SetOption(pair.first, pair.second, &settings));
  }
  AHA_RETURN_IF_ERROR(AsUsage(settings.loss.Validate()));
  AHA_RETURN_IF_ERROR(AsUsage(settings.advantage.Validate()));
  if (!(settings.temperature >= SamplingParams::kMinTemperature &&
        settings.temperature <= SamplingParams::kMaxTemperature)) {
    return UsageError(
        absl::StrCat("--set temperature must be from 0.001 to 1000, got ",
                     settings.temperature));
  }
  return settings;
}

struct Trajectory {
  TrainSequence sequence;
  std::vector<float> old_logprobs;
  std::vector<float> ref_logprobs;
  double reward = 0;
  std::string group;
  float advantage = 0;
  bool has_advantage = false;
  bool truncated = false;
};

absl::Status ReadReward(const Json& object, Trajectory* out) {
  const auto advantage = object.find("advantage");
  if (advantage != object.end() && advantage->is_number()) {
    out->advantage = advantage->get<float>();
    out->has_advantage = true;
    if (std::isfinite(out->advantage)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "advantage must be finite in fp32, got ", Show(*advantage)));
  }
  const auto reward = object.find("reward");
  if (reward == object.end() || !reward->is_number()) {
    return absl::InvalidArgumentError(
        "must have \"advantage\", or \"reward\" and \"group\" (numbers)");
  }
  out->reward = reward->get<double>();
  // Lines of a run's rollouts name the group by its step and slot.
  for (const char* key : {"group", "step", "slot"}) {
    const auto part = object.find(key);
    if (part == object.end()) continue;
    if (part->is_structured()) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, " must be a number or text, got ", Show(*part)));
    }
    absl::StrAppend(&out->group, key, part->dump(), " ");
  }
  if (out->group.empty()) {
    return absl::InvalidArgumentError("must have \"group\" beside \"reward\"");
  }
  return absl::OkStatus();
}

// In the form of SequenceLoss, which knows neither lines nor keys.
absl::StatusOr<std::vector<float>> LogProbs(const Json& object, const char* key,
                                            size_t count) {
  AHA_ASSIGN_OR_RETURN(std::vector<float> values, Floats(object, key, count));
  for (size_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i]) && values[i] <= kMaxLogProb) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        key, "[", i, "] must be finite and at most 0, got ", values[i]));
  }
  return values;
}

absl::StatusOr<Trajectory> ReadTrajectory(const Json& object,
                                          const Settings& settings,
                                          const Tokenizer& tokenizer,
                                          const ModelConfig& config) {
  Trajectory out;
  std::vector<int32_t>& tokens = out.sequence.tokens;
  if (!object.contains("prompt_token_ids") && object.contains("prompt")) {
    AHA_ASSIGN_OR_RETURN(tokens,
                         tokenizer.EncodePrompt(TextOr(object, "prompt", "")));
  } else {
    AHA_ASSIGN_OR_RETURN(
        tokens, TokenIds(object, "prompt_token_ids", config.vocab_size));
  }
  out.sequence.prompt_length = static_cast<int64_t>(tokens.size());
  AHA_ASSIGN_OR_RETURN(const std::vector<int32_t> completion,
                       TokenIds(object, "token_ids", config.vocab_size));
  tokens.insert(tokens.end(), completion.begin(), completion.end());
  if (out.sequence.prompt_length == 0 || completion.empty() ||
      static_cast<int64_t>(tokens.size()) > config.context()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "prompt_token_ids and token_ids must have a token each and ",
        config.context(), " at most together, got ", out.sequence.prompt_length,
        " and ", completion.size()));
  }
  AHA_ASSIGN_OR_RETURN(out.old_logprobs,
                       LogProbs(object, "logprobs", completion.size()));
  if (settings.loss.beta != 0 || object.contains("ref_logprobs")) {
    AHA_ASSIGN_OR_RETURN(out.ref_logprobs,
                         LogProbs(object, "ref_logprobs", completion.size()));
  }
  out.truncated = TextOr(object, "finish_reason", "stop") == "length";
  AHA_RETURN_IF_ERROR(ReadReward(object, &out));
  return out;
}

// Computes advantages from rewards for lines that have no advantage.
absl::Status FillAdvantages(const AdvantageOptions& options,
                            std::vector<Trajectory>* trajectories) {
  std::map<std::string, std::vector<Trajectory*>> groups;
  std::vector<double> all;
  for (Trajectory& trajectory : *trajectories) {
    if (trajectory.has_advantage) continue;
    groups[trajectory.group].push_back(&trajectory);
    all.push_back(trajectory.reward);
  }
  for (const auto& [name, members] : groups) {
    std::vector<double> rewards;
    for (const Trajectory* member : members) rewards.push_back(member->reward);
    std::vector<float> advantages(members.size());
    const absl::Status status =
        GroupAdvantages(options, rewards, RewardDeviation(all, options.ddof),
                        absl::MakeSpan(advantages));
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("group ", name, status.message()));
    }
    for (size_t i = 0; i < members.size(); ++i) {
      members[i]->advantage = advantages[i];
    }
  }
  return absl::OkStatus();
}

// Adds a micro-batch's loss to *sums, and its gradient to *gradient.
absl::Status AddBatch(absl::Span<const Trajectory> batch,
                      const Settings& settings, Backprop* backprop,
                      GradientSum* gradient, LossSums* sums) {
  std::vector<TrainSequence> sequences;
  for (const Trajectory& trajectory : batch) {
    sequences.push_back(trajectory.sequence);
  }
  const LossFunction loss = [&](const TargetScores& scores,
                                absl::Span<float> dloss) -> absl::Status {
    size_t at = 0;
    for (const Trajectory& trajectory : batch) {
      const size_t size = trajectory.old_logprobs.size();
      const SequenceLossInput input = {
          .logprobs = scores.logprobs.subspan(at, size),
          .old_logprobs = trajectory.old_logprobs,
          .ref_logprobs = trajectory.ref_logprobs,
          .advantage = trajectory.advantage,
          .truncated = trajectory.truncated};
      AHA_RETURN_IF_ERROR(
          SequenceLoss(settings.loss, input, dloss.subspan(at, size), sums));
      at += size;
    }
    return absl::OkStatus();
  };
  const float temperature = static_cast<float>(settings.temperature);
  if (gradient != nullptr) {
    return backprop->Accumulate(sequences, temperature, loss, gradient);
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<float> logprobs,
                       backprop->LogProbs(sequences, temperature));
  std::vector<float> unused(logprobs.size());
  return loss({.logprobs = logprobs, .entropies = {}}, absl::MakeSpan(unused));
}

absl::Status AddAll(const std::vector<Trajectory>& trajectories,
                    const Settings& settings, Backprop* backprop,
                    GradientSum* gradient, LossSums* sums) {
  for (size_t begin = 0, end = 0; begin < trajectories.size(); begin = end) {
    int64_t tokens = 0;
    while (end < trajectories.size() &&
           (end == begin || tokens < kBatchTokens)) {
      tokens +=
          static_cast<int64_t>(trajectories[end++].sequence.tokens.size());
    }
    AHA_RETURN_IF_ERROR(
        AddBatch(absl::MakeSpan(trajectories).subspan(begin, end - begin),
                 settings, backprop, gradient, sums));
  }
  return absl::OkStatus();
}

// Divides by the step's denominator; returns the norm.
double ToGradient(const GradientSum& sum, double denominator,
                  Parameters* gradient) {
  float* out = static_cast<float*>(gradient->data());
  double squares = 0;
  const double scale =
      denominator > 0 ? 1 / (GradientSum::kScale * denominator) : 0;
  for (size_t i = 0; i < sum.sums().size(); ++i) {
    const double value = static_cast<double>(sum.sums()[i]) * scale;
    out[i] = static_cast<float>(value);
    squares += value * value;
  }
  return std::sqrt(squares);
}

Json Summary(const Settings& settings, const LossSums& sums) {
  const LossMetrics metrics = MetricsOf(settings.loss, sums);
  Json json;
  json["loss"] = metrics.loss;
  json["policy_loss"] = metrics.policy_loss;
  json["kl"] = metrics.kl;
  json["clip_ratio/region_mean"] = metrics.clip_region_mean;
  json["sampling/importance_sampling_ratio/min"] = metrics.ratio_min;
  json["sampling/importance_sampling_ratio/mean"] = metrics.ratio_mean;
  json["sampling/importance_sampling_ratio/max"] = metrics.ratio_max;
  json["sampling/sampling_logp_difference/mean"] = metrics.logp_difference_mean;
  json["sampling/sampling_logp_difference/max"] = metrics.logp_difference_max;
  json["completions"] = sums.completions;
  json["tokens"] = sums.tokens;
  json["denominator"] = StepDenominator(settings.loss, sums);
  return json;
}

// The gradients must replace neither a model's weights, as which they would be
// read, nor the trajectories.
absl::Status CheckGradientsPath(const std::string& path,
                                const std::string& trajectories) {
  std::error_code error;
  if (std::filesystem::equivalent(path, trajectories, error)) {
    return UsageError(absl::StrCat(
        "--gradients must be another file than --trajectories, got ", path));
  }
  // A link may lead to either.
  const std::filesystem::path target =
      std::filesystem::weakly_canonical(path, error);
  const std::filesystem::path directory = target.parent_path();
  if (!std::filesystem::exists(directory / "config.json", error)) {
    return absl::OkStatus();
  }
  return UsageError(
      absl::StrCat("--gradients must be a file outside model directories, got ",
                   path, " (there is ", directory.string(), "/config.json)"));
}

void Print(const Json& json, Format format) {
  if (format == Format::kJson) return PrintJsonLine(json);
  for (const auto& [key, value] : json.items()) {
    if (value.is_array()) continue;
    std::printf("%-42s %s\n", key.c_str(), value.dump().c_str());
  }
}

}  // namespace

absl::Status Loss(const ModelOptions& model, const LossOptionsText& options) {
  AHA_ASSIGN_OR_RETURN(const Settings settings, ParseSettings(options));
  const bool wants_gradient = !options.gradients_path.empty();
  if (wants_gradient) {
    AHA_RETURN_IF_ERROR(
        CheckGradientsPath(options.gradients_path, options.trajectories_path));
  }
  AHA_ASSIGN_OR_RETURN(const LoadedModel loaded,
                       LoadModel(model, wants_gradient ? PolicyUse::kTraining
                                                       : PolicyUse::kSampling));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                       Tokenizer::Load(model.directory));
  std::vector<Trajectory> trajectories;
  AHA_RETURN_IF_ERROR(ForEachLine(
      options.trajectories_path, [&](const Json& object) -> absl::Status {
        AHA_ASSIGN_OR_RETURN(Trajectory trajectory,
                             ReadTrajectory(object, settings, *tokenizer,
                                            loaded.policy->config()));
        trajectories.push_back(std::move(trajectory));
        return absl::OkStatus();
      }));
  AHA_RETURN_IF_ERROR(FillAdvantages(settings.advantage, &trajectories));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Backprop> backprop,
                       Backprop::Create(loaded.policy.get()));
  const auto layout =
      std::make_shared<const ParameterLayout>(loaded.policy->config());
  std::unique_ptr<GradientSum> gradient;
  if (wants_gradient) gradient = std::make_unique<GradientSum>(layout);
  LossSums sums;
  AHA_RETURN_IF_ERROR(
      AddAll(trajectories, settings, backprop.get(), gradient.get(), &sums));
  Json json = Summary(settings, sums);
  std::vector<float> advantages;
  for (const Trajectory& trajectory : trajectories) {
    advantages.push_back(trajectory.advantage);
  }
  json["advantages"] = advantages;
  if (gradient != nullptr) {
    Parameters values(layout, DType::kF32);
    json["grad_norm"] =
        ToGradient(*gradient, StepDenominator(settings.loss, sums), &values);
    AHA_RETURN_IF_ERROR(WriteSafetensors(values, options.gradients_path));
  }
  Print(json, model.format);
  return absl::OkStatus();
}

}  // namespace aha::cli
