#include "job/algorithm.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "job/config_errors.h"

namespace aha {
namespace {

using google::protobuf::FieldDescriptor;

// A scalar field's value; the schema's default if it is not set.
std::string ValueText(const v1::Grpo& grpo, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *grpo.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(grpo, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(reflection.GetDouble(grpo, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(grpo, &field);
    default:
      return absl::StrCat(reflection.GetInt32(grpo, &field));
  }
}

// What the preset sets the field to; nothing if that is the schema's default.
std::optional<std::string> OwnValue(const Algorithm& algorithm,
                                    const FieldDescriptor& field) {
  const v1::Grpo preset = PresetOf(algorithm);
  if (!preset.GetReflection()->HasField(preset, &field)) return std::nullopt;
  std::string value = ValueText(preset, field);
  if (field.has_default_value() && value == ValueText({}, field)) {
    return std::nullopt;
  }
  return value;
}

// "dapo: GRPO with ... Sets loss_type dapo, epsilon_high 0.28. From arXiv ..."
std::string PresetText(const Algorithm& algorithm) {
  std::vector<std::string> sets;
  const google::protobuf::Descriptor& grpo = *v1::Grpo::descriptor();
  for (int i = 0; i < grpo.field_count(); ++i) {
    const FieldDescriptor& field = *grpo.field(i);
    if (field.is_repeated() || field.name() == "algorithm") continue;
    if (const auto value = OwnValue(algorithm, field)) {
      sets.push_back(absl::StrCat(field.name(), " ", *value));
    }
  }
  return absl::StrCat(algorithm.name, ": ", algorithm.help, " ",
                      sets.empty()
                          ? "It sets every key to its default"
                          : absl::StrCat("It sets ", absl::StrJoin(sets, ", ")),
                      ". From ", algorithm.source, ".");
}

}  // namespace

v1::Grpo PresetOf(const Algorithm& algorithm) {
  const AdvantageOptions& advantage = algorithm.advantage;
  const LossOptions& loss = algorithm.loss;
  v1::Grpo grpo;
  grpo.set_algorithm(std::string(algorithm.name));
  grpo.set_advantage_estimator(
      std::string(AdvantageEstimatorName(advantage.estimator)));
  grpo.set_scale_rewards(std::string(ScaleRewardsName(advantage.scale)));
  grpo.set_loss_type(std::string(LossTypeName(loss.loss_type)));
  grpo.set_importance_sampling_level(
      std::string(ImportanceLevelName(loss.importance)));
  grpo.set_epsilon(loss.epsilon);
  if (loss.epsilon_high) grpo.set_epsilon_high(*loss.epsilon_high);
  if (loss.delta) grpo.set_delta(*loss.delta);
  grpo.set_beta(loss.beta);
  grpo.set_mask_truncated_completions(loss.mask_truncated);
  return grpo;
}

void FillFromPreset(v1::Grpo* grpo) {
  const absl::StatusOr<const Algorithm*> algorithm =
      FindAlgorithm(grpo->algorithm());
  if (!algorithm.ok()) return;
  v1::Grpo filled = PresetOf(**algorithm);
  filled.MergeFrom(*grpo);
  *grpo = std::move(filled);
}

std::vector<std::string> PresetTexts(const FieldDescriptor& field) {
  std::vector<std::string> texts;
  if (field.containing_type() != v1::Grpo::descriptor()) return texts;
  for (const Algorithm& algorithm : Algorithms()) {
    if (field.name() == "algorithm") {
      texts.push_back(PresetText(algorithm));
    } else if (const auto value = OwnValue(algorithm, field)) {
      texts.push_back(absl::StrCat(algorithm.name, " ", *value));
    }
  }
  return texts;
}

}  // namespace aha
