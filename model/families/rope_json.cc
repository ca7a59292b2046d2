#include "model/families/rope_json.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using Json = nlohmann::json;

constexpr std::pair<const char*, RopeType> kTypes[] = {
    {"default", RopeType::kDefault}, {"linear", RopeType::kLinear},
    {"dynamic", RopeType::kDynamic}, {"llama3", RopeType::kLlama3},
    {"yarn", RopeType::kYarn},       {"longrope", RopeType::kLongRope},
};
constexpr char kTypeNames[] =
    "must be \"default\", \"linear\", \"dynamic\", \"llama3\", \"yarn\" or "
    "\"longrope\"";

// The object of this name; nothing if it is absent or empty.
absl::StatusOr<std::optional<ConfigJson>> FindObject(const ConfigJson& json,
                                                     const char* field) {
  const Json* value = json.Find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    return ConfigInvalid(json.NameOf(field), "must be an object",
                         ShowJson(*value));
  }
  if (value->empty()) return std::nullopt;
  return ConfigJson(*value, absl::StrCat(json.NameOf(field), "."));
}

absl::StatusOr<RopeType> ReadType(const ConfigJson& rope) {
  const char* field = rope.Find("rope_type") != nullptr ? "rope_type" : "type";
  const Json* value = rope.Find(field);
  if (value == nullptr) return RopeType::kDefault;
  for (const auto& [name, type] : kTypes) {
    if (*value == name) return type;
  }
  return ConfigUnsupported(rope.NameOf(field), kTypeNames, ShowJson(*value));
}

absl::Status ReadNumbers(const ConfigJson& rope, const char* field,
                         std::vector<double>* out) {
  const Json* value = rope.Find(field);
  if (value == nullptr || !value->is_array()) {
    return ConfigInvalid(rope.NameOf(field), "must be an array of numbers",
                         value == nullptr ? "nothing" : ShowJson(*value));
  }
  out->clear();
  for (const Json& number : *value) {
    if (!number.is_number()) {
      return ConfigInvalid(rope.NameOf(field), "must be an array of numbers",
                           ShowJson(number));
    }
    out->push_back(number.get<double>());
  }
  return absl::OkStatus();
}

// Of kYarn and kLongRope: from factor, which may be absent, and what else
// config.json says.
absl::Status ReadAttentionFactor(const ConfigJson& rope,
                                 const ModelConfig& config, RopeScaling* s) {
  if (rope.Find("factor") == nullptr) {
    s->factor = static_cast<double>(config.max_position_embeddings) /
                static_cast<double>(s->original_max_position_embeddings);
  }
  if (rope.Find("attention_factor") != nullptr) {
    return rope.ReadNumber("attention_factor", &s->attention_factor);
  }
  if (s->type == RopeType::kLongRope) {
    s->attention_factor =
        LongRopeAttentionFactor(s->factor, s->original_max_position_embeddings);
    return absl::OkStatus();
  }
  double mscale = 0, mscale_all_dim = 0;
  AHA_RETURN_IF_ERROR(rope.ReadNumber("mscale", &mscale));
  AHA_RETURN_IF_ERROR(rope.ReadNumber("mscale_all_dim", &mscale_all_dim));
  s->attention_factor = YarnAttentionFactor(s->factor, mscale, mscale_all_dim);
  return absl::OkStatus();
}

// The length that stands at the top (Phi-3) goes before the object's.
absl::Status ReadOriginalLength(const ConfigJson& top, const ConfigJson& rope,
                                const ModelConfig& config, RopeScaling* s) {
  constexpr char kField[] = "original_max_position_embeddings";
  s->original_max_position_embeddings = config.max_position_embeddings;
  const ConfigJson& from = top.Find(kField) != nullptr ? top : rope;
  AHA_RETURN_IF_ERROR(
      from.ReadInteger(kField, &s->original_max_position_embeddings));
  if (s->original_max_position_embeddings >= 2) return absl::OkStatus();
  return ConfigInvalid(from.NameOf(kField), "must be at least 2",
                       absl::StrCat(s->original_max_position_embeddings));
}

absl::Status ReadScaling(const ConfigJson& top, const ConfigJson& rope,
                         const ModelConfig& config, RopeScaling* s) {
  *s = {};
  AHA_ASSIGN_OR_RETURN(s->type, ReadType(rope));
  AHA_RETURN_IF_ERROR(rope.RequireEqual("partial_rotary_factor", 1.0));
  switch (s->type) {
    case RopeType::kDefault:
      return absl::OkStatus();
    case RopeType::kLinear:
    case RopeType::kDynamic:
      return rope.ReadRequiredNumber("factor", &s->factor);
    case RopeType::kLlama3:
      AHA_RETURN_IF_ERROR(ReadOriginalLength(top, rope, config, s));
      AHA_RETURN_IF_ERROR(rope.ReadRequiredNumber("factor", &s->factor));
      AHA_RETURN_IF_ERROR(
          rope.ReadRequiredNumber("low_freq_factor", &s->low_freq_factor));
      AHA_RETURN_IF_ERROR(
          rope.ReadRequiredNumber("high_freq_factor", &s->high_freq_factor));
      if (s->high_freq_factor > s->low_freq_factor) return absl::OkStatus();
      return ConfigInvalid(rope.NameOf("high_freq_factor"),
                           absl::StrCat("must be more than low_freq_factor ",
                                        s->low_freq_factor),
                           absl::StrCat(s->high_freq_factor));
    case RopeType::kYarn:
      AHA_RETURN_IF_ERROR(ReadOriginalLength(top, rope, config, s));
      AHA_RETURN_IF_ERROR(rope.ReadNumber("factor", &s->factor));
      AHA_RETURN_IF_ERROR(rope.ReadNumber("beta_fast", &s->beta_fast));
      AHA_RETURN_IF_ERROR(rope.ReadNumber("beta_slow", &s->beta_slow));
      AHA_RETURN_IF_ERROR(rope.ReadBool("truncate", &s->truncate));
      return ReadAttentionFactor(rope, config, s);
    case RopeType::kLongRope:
      AHA_RETURN_IF_ERROR(ReadOriginalLength(top, rope, config, s));
      AHA_RETURN_IF_ERROR(rope.ReadNumber("factor", &s->factor));
      AHA_RETURN_IF_ERROR(ReadNumbers(rope, "short_factor", &s->short_factor));
      AHA_RETURN_IF_ERROR(ReadNumbers(rope, "long_factor", &s->long_factor));
      return ReadAttentionFactor(rope, config, s);
  }
  return absl::OkStatus();
}

// An object inside the object would be another set of positions.
absl::Status RefuseNested(const ConfigJson& rope) {
  for (const char* field : {"full_attention", "sliding_attention"}) {
    const Json* entry = rope.Find(field);
    if (entry == nullptr) continue;
    return ConfigUnsupported(rope.NameOf(field), "must be absent",
                             ShowJson(*entry));
  }
  return rope.RequireAbsent("mrope_section");
}

}  // namespace

absl::Status ReadRope(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("partial_rotary_factor", 1.0));
  AHA_RETURN_IF_ERROR(json.ReadNumber("rope_theta", &config->rope_theta));
  AHA_ASSIGN_OR_RETURN(std::optional<ConfigJson> rope,
                       FindObject(json, "rope_scaling"));
  AHA_ASSIGN_OR_RETURN(const std::optional<ConfigJson> parameters,
                       FindObject(json, "rope_parameters"));
  if (!rope) rope = parameters;
  if (!rope) return absl::OkStatus();
  AHA_RETURN_IF_ERROR(RefuseNested(*rope));
  AHA_RETURN_IF_ERROR(rope->ReadNumber("rope_theta", &config->rope_theta));
  return ReadScaling(json, *rope, *config, &config->rope_scaling);
}

absl::Status ReadRopeByLayer(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("partial_rotary_factor", 1.0));
  AHA_RETURN_IF_ERROR(json.ReadNumber("rope_theta", &config->rope_theta));
  AHA_RETURN_IF_ERROR(
      json.ReadNumber("rope_local_base_freq", &config->rope_local_base_freq));
  AHA_ASSIGN_OR_RETURN(const std::optional<ConfigJson> parameters,
                       FindObject(json, "rope_parameters"));
  if (parameters) {
    AHA_ASSIGN_OR_RETURN(const std::optional<ConfigJson> full,
                         FindObject(*parameters, "full_attention"));
    AHA_ASSIGN_OR_RETURN(const std::optional<ConfigJson> sliding,
                         FindObject(*parameters, "sliding_attention"));
    if (!full && !sliding) {
      return ConfigUnsupported("rope_parameters",
                               "must have an object full_attention and one "
                               "sliding_attention",
                               "neither");
    }
    if (full) {
      AHA_RETURN_IF_ERROR(full->ReadNumber("rope_theta", &config->rope_theta));
      AHA_RETURN_IF_ERROR(
          ReadScaling(json, *full, *config, &config->rope_scaling));
    }
    if (sliding) {
      AHA_RETURN_IF_ERROR(
          sliding->ReadNumber("rope_theta", &config->rope_local_base_freq));
      for (const char* type : {"rope_type", "type"}) {
        AHA_RETURN_IF_ERROR(sliding->RequireEqual(type, "default"));
      }
      AHA_RETURN_IF_ERROR(sliding->RequireEqual("partial_rotary_factor", 1.0));
    }
  }
  AHA_ASSIGN_OR_RETURN(const std::optional<ConfigJson> scaling,
                       FindObject(json, "rope_scaling"));
  if (!scaling) return absl::OkStatus();
  AHA_RETURN_IF_ERROR(scaling->ReadNumber("rope_theta", &config->rope_theta));
  return ReadScaling(json, *scaling, *config, &config->rope_scaling);
}

nlohmann::ordered_json RopeScalingJson(const RopeScaling& s) {
  if (s.type == RopeType::kDefault) return nullptr;
  nlohmann::ordered_json json;
  for (const auto& [name, type] : kTypes) {
    if (s.type == type) json["rope_type"] = name;
  }
  json["factor"] = s.factor;
  if (s.type == RopeType::kLlama3) {
    json["low_freq_factor"] = s.low_freq_factor;
    json["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.type == RopeType::kYarn) {
    json["beta_fast"] = s.beta_fast;
    json["beta_slow"] = s.beta_slow;
    json["truncate"] = s.truncate;
  }
  if (s.type == RopeType::kYarn || s.type == RopeType::kLongRope) {
    json["attention_factor"] = s.attention_factor;
  }
  if (s.type == RopeType::kLongRope) {
    json["short_factor"] = s.short_factor;
    json["long_factor"] = s.long_factor;
  }
  if (s.original_max_position_embeddings > 0) {
    json["original_max_position_embeddings"] =
        s.original_max_position_embeddings;
  }
  return json;
}

}  // namespace aha
