// Implements model/config.h. Parse reads the fields one by one into a
// ModelConfig and Validate bounds them, so that no later size computation can
// overflow.
#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"
#include "model/config_json.h"
#include "model/families/family.h"
#include "model/families/rope_json.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using Json = nlohmann::json;

// With this bound every product of two of the bounds below, and the sum over
// all tensors, fits int64_t.
constexpr int64_t kMaxParameters = int64_t{1} << 36;
// The table of sines and cosines has head_dim floats for each position and is
// made before anything runs.
constexpr int64_t kMaxRopeBytes = int64_t{256} << 20;

// Each expert of a layer is three tensors; the largest known model has 94
// layers of 128.
constexpr int64_t kMaxExpertsOfModel = 1 << 16;
constexpr int64_t kMaxActiveExperts = 64;

// A config.json is read whole before ConfigJson looks at its size.
constexpr size_t kMaxConfigBytes = 1 << 20;
// The largest known tokenizer.json has 33 MB.
constexpr size_t kMaxTokenizerBytes = 256 << 20;

absl::StatusOr<int32_t> ToTokenId(const Json& value, const char* field) {
  AHA_ASSIGN_OR_RETURN(const int64_t id, ToInteger(value, field));
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
    return ConfigInvalid(field, "must be a token id", absl::StrCat(id));
  }
  return static_cast<int32_t>(id);
}

// Adds the tokens that end a completion to those that are already known.
absl::Status ReadEndTokens(const ConfigJson& json, ModelConfig* config) {
  const Json* eos = json.Find("eos_token_id");
  if (eos == nullptr) return absl::OkStatus();
  const auto add = [config](const Json& value) -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const int32_t id, ToTokenId(value, "eos_token_id"));
    std::vector<int32_t>& ids = config->eos_token_ids;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    return absl::OkStatus();
  };
  if (!eos->is_array()) return add(*eos);
  for (const Json& value : *eos) AHA_RETURN_IF_ERROR(add(value));
  return absl::OkStatus();
}

absl::Status ReadSpecialTokens(const ConfigJson& json, ModelConfig* config) {
  if (const Json* bos = json.Find("bos_token_id")) {
    AHA_ASSIGN_OR_RETURN(config->bos_token_id, ToTokenId(*bos, "bos_token_id"));
  }
  return ReadEndTokens(json, config);
}

absl::Status InRange(const char* field, int64_t value, int64_t low,
                     int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return ConfigInvalid(field,
                       absl::StrCat("must be in [", low, ", ", high, "]"),
                       absl::StrCat(value));
}

absl::Status CheckTokenId(const char* field, int64_t id, int64_t vocab) {
  if (id >= 0 && id < vocab) return absl::OkStatus();
  return ConfigInvalid(field, absl::StrCat("must be below vocab_size ", vocab),
                       absl::StrCat(id));
}

// Returns an upper bound, in double so that it cannot overflow.
double ParameterCount(const ModelConfig& c) {
  const double attention =
      2.0 * static_cast<double>(c.hidden_size * c.head_dim) *
      static_cast<double>(c.num_attention_heads + c.num_key_value_heads);
  const double mlp =
      3.0 * static_cast<double>(c.hidden_size * c.intermediate_size);
  const double tables = 2.0 * static_cast<double>(c.vocab_size * c.hidden_size);
  const double experts =
      c.sparse_layers.empty()
          ? 0
          : static_cast<double>(c.num_experts * c.hidden_size) *
                (3.0 * static_cast<double>(c.moe_intermediate_size) + 1);
  return static_cast<double>(c.num_hidden_layers) *
             (attention + std::max(mlp, experts)) +
         tables;
}

// generation_config.json may name further end tokens, at which transformers
// stops too: a chat model's config.json often lacks the one that ends a turn.
absl::Status AddGenerationConfig(absl::string_view text, ModelConfig* config) {
  if (text.empty()) return absl::OkStatus();
  const auto add = [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const ConfigJson json, ConfigJson::Parse(text));
    AHA_RETURN_IF_ERROR(ReadEndTokens(json, config));
    return config->Validate();
  };
  absl::Status status = add();
  if (status.ok()) return status;
  // The config was valid before, so the error is in the other file.
  return absl::Status(status.code(),
                      absl::StrCat("generation_", status.message()));
}

// The id of a token in tokenizer_config.json's added_tokens_decoder or in
// tokenizer.json; null if it is in neither.
Json FindToken(const std::string& content, const Json& tokenizer_config,
               const std::string& directory) {
  const auto is = [&](const Json& token) {
    return token.is_object() && token.value("content", Json()) == content;
  };
  if (const auto decoder = tokenizer_config.find("added_tokens_decoder");
      decoder != tokenizer_config.end() && decoder->is_object()) {
    for (const auto& [id, token] : decoder->items()) {
      int64_t number = 0;
      if (is(token) && absl::SimpleAtoi(id, &number)) return number;
    }
  }
  const std::string text =
      ReadFileIfThere(absl::StrCat(directory, "/tokenizer.json"),
                      kMaxTokenizerBytes)
          .value_or("");
  // Loading the tokenizer reports what is wrong with the file.
  const Json json = ParseJson<Json>(text).value_or(Json::object());
  if (!json.is_object()) return nullptr;
  if (const auto added = json.find("added_tokens");
      added != json.end() && added->is_array()) {
    for (const Json& token : *added) {
      if (is(token)) return token.value("id", Json());
    }
  }
  const Json::json_pointer vocabulary("/model/vocab");
  if (!json.contains(vocabulary) || !json[vocabulary].is_object()) {
    return nullptr;
  }
  return json[vocabulary].value(content, Json());
}

// The tokenizer's end token is that of a model whose own files name none.
absl::Status AddTokenizersEnd(const std::string& directory,
                              ModelConfig* config) {
  if (!config->eos_token_ids.empty()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(
      const std::string text,
      ReadFileIfThere(absl::StrCat(directory, "/tokenizer_config.json"),
                      kMaxTokenizerBytes));
  const Json json = ParseJson<Json>(text).value_or(Json::object());
  if (!json.is_object()) return absl::OkStatus();
  Json eos = json.value("eos_token", Json());
  if (eos.is_object()) eos = eos.value("content", Json());
  if (!eos.is_string()) return absl::OkStatus();
  const Json id = FindToken(eos.get<std::string>(), json, directory);
  if (id.is_null()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(config->eos_token_ids.emplace_back(),
                       ToTokenId(id, "eos_token of tokenizer_config.json"));
  return config->Validate();
}

absl::Status CheckReal(const char* field, double value, double low,
                       double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return ConfigInvalid(field,
                       absl::StrCat("must be in [", low, ", ", high, "]"),
                       absl::StrCat(value));
}

absl::Status CheckScaling(const RopeScaling& s, int64_t head_dim) {
  if (s.type == RopeType::kDefault) return absl::OkStatus();
  AHA_RETURN_IF_ERROR(CheckReal("rope_scaling.factor", s.factor, 1e-3, 1e6));
  AHA_RETURN_IF_ERROR(CheckReal("rope_scaling.attention_factor",
                                s.attention_factor, 1e-3, 1e3));
  if (s.type == RopeType::kLlama3 || s.type == RopeType::kYarn ||
      s.type == RopeType::kLongRope) {
    AHA_RETURN_IF_ERROR(InRange("rope_scaling.original_max_position_embeddings",
                                s.original_max_position_embeddings, 2,
                                int64_t{1} << 30));
  }
  if (s.type == RopeType::kLlama3) {
    AHA_RETURN_IF_ERROR(CheckReal("rope_scaling.low_freq_factor",
                                  s.low_freq_factor, 1e-6, 1e6));
    if (!(s.high_freq_factor > s.low_freq_factor)) {
      return ConfigInvalid(
          "rope_scaling.high_freq_factor",
          absl::StrCat("must be more than low_freq_factor ", s.low_freq_factor),
          absl::StrCat(s.high_freq_factor));
    }
  }
  if (s.type == RopeType::kYarn) {
    AHA_RETURN_IF_ERROR(
        CheckReal("rope_scaling.beta_slow", s.beta_slow, 1e-6, 1e6));
    AHA_RETURN_IF_ERROR(
        CheckReal("rope_scaling.beta_fast", s.beta_fast, s.beta_slow, 1e6));
  }
  if (s.type != RopeType::kLongRope) return absl::OkStatus();
  if (static_cast<int64_t>(s.short_factor.size()) != head_dim / 2) {
    return ConfigInvalid(
        "rope_scaling.short_factor",
        absl::StrCat("must have head_dim / 2 = ", head_dim / 2, " numbers"),
        absl::StrCat(s.short_factor.size()));
  }
  for (const double factor : s.short_factor) {
    AHA_RETURN_IF_ERROR(
        CheckReal("rope_scaling.short_factor", factor, 1e-6, 1e6));
  }
  return absl::OkStatus();
}

absl::Status CheckWindows(const ModelConfig& c) {
  const int64_t layers = static_cast<int64_t>(c.sliding_layers.size());
  if (layers == 0) {
    return InRange("sliding_window", c.sliding_window, 0, int64_t{1} << 30);
  }
  if (layers != c.num_hidden_layers) {
    return ConfigInvalid("layer_types",
                         absl::StrCat("must have an entry for each of the ",
                                      c.num_hidden_layers, " layers"),
                         absl::StrCat(layers));
  }
  return InRange("sliding_window", c.sliding_window, 1, int64_t{1} << 30);
}

absl::Status CheckExperts(const ModelConfig& c) {
  const int64_t layers = static_cast<int64_t>(c.sparse_layers.size());
  if (layers == 0) return absl::OkStatus();
  if (layers != c.num_hidden_layers) {
    return ConfigInvalid("num_hidden_layers",
                         absl::StrCat("must be the ", layers,
                                      " layers of which it is known whether "
                                      "they have experts"),
                         absl::StrCat(c.num_hidden_layers));
  }
  AHA_RETURN_IF_ERROR(InRange("num_experts", c.num_experts, 1, 1024));
  AHA_RETURN_IF_ERROR(InRange("num_experts_per_tok", c.num_experts_per_tok, 1,
                              std::min(c.num_experts, kMaxActiveExperts)));
  AHA_RETURN_IF_ERROR(
      InRange("moe_intermediate_size", c.moe_intermediate_size, 1, 1 << 18));
  if (c.num_experts * c.num_hidden_layers > kMaxExpertsOfModel) {
    return ConfigInvalid(
        "num_experts",
        absl::StrCat("times num_hidden_layers must be at most ",
                     kMaxExpertsOfModel),
        absl::StrCat(c.num_experts, " and ", c.num_hidden_layers));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t ModelConfig::context() const {
  if (rope_scaling.type != RopeType::kLongRope) return max_position_embeddings;
  return std::min(max_position_embeddings,
                  rope_scaling.original_max_position_embeddings);
}

std::string ModelConfig::ContextRule() const {
  if (rope_scaling.type == RopeType::kLongRope) {
    return "rope_scaling's original_max_position_embeddings, as longrope turns "
           "with the total length of a sequence beyond it";
  }
  if (rope_scaling.type == RopeType::kDynamic) {
    return "max_position_embeddings, as rope_scaling dynamic turns with the "
           "total length of a sequence beyond it";
  }
  return "max_position_embeddings";
}

absl::Status ModelConfig::Validate() const {
  if (FindFamily(model_type) == nullptr) {
    return ConfigUnsupported(
        "model_type", absl::StrCat("must be ", FamilyNames()), model_type);
  }
  AHA_RETURN_IF_ERROR(InRange("hidden_size", hidden_size, 2, 1 << 16));
  AHA_RETURN_IF_ERROR(
      InRange("intermediate_size", intermediate_size, 1, 1 << 18));
  AHA_RETURN_IF_ERROR(InRange("num_hidden_layers", num_hidden_layers, 1, 1024));
  AHA_RETURN_IF_ERROR(
      InRange("num_attention_heads", num_attention_heads, 1, 1024));
  AHA_RETURN_IF_ERROR(InRange("num_key_value_heads", num_key_value_heads, 1,
                              num_attention_heads));
  AHA_RETURN_IF_ERROR(InRange("head_dim", head_dim, 2, 1024));
  AHA_RETURN_IF_ERROR(InRange("vocab_size", vocab_size, 2, 1 << 24));
  AHA_RETURN_IF_ERROR(
      InRange("max_position_embeddings", max_position_embeddings, 2, 1 << 20));
  if (num_attention_heads % num_key_value_heads != 0) {
    return ConfigInvalid(
        "num_attention_heads",
        absl::StrCat("must be a multiple of num_key_value_heads ",
                     num_key_value_heads),
        absl::StrCat(num_attention_heads));
  }
  if (head_dim % 2 != 0) {
    return ConfigInvalid("head_dim", "must be even", absl::StrCat(head_dim));
  }
  constexpr int64_t kFloat = sizeof(float);
  if (max_position_embeddings * head_dim * kFloat > kMaxRopeBytes) {
    return ConfigInvalid(
        "max_position_embeddings",
        absl::StrCat("times head_dim must be at most ", kMaxRopeBytes / kFloat),
        absl::StrCat(max_position_embeddings, " and ", head_dim));
  }
  AHA_RETURN_IF_ERROR(CheckReal("rope_theta", rope_theta, 1, 1e12));
  AHA_RETURN_IF_ERROR(
      CheckReal("rope_local_base_freq", rope_local_base_freq, 1, 1e12));
  AHA_RETURN_IF_ERROR(CheckScaling(rope_scaling, head_dim));
  AHA_RETURN_IF_ERROR(CheckWindows(*this));
  AHA_RETURN_IF_ERROR(CheckExperts(*this));
  AHA_RETURN_IF_ERROR(
      CheckReal("query_pre_attn_scalar", query_pre_attn_scalar, 0, 1e6));
  AHA_RETURN_IF_ERROR(CheckReal("rms_norm_eps", rms_norm_eps, 1e-12, 1));
  AHA_RETURN_IF_ERROR(
      CheckReal("initializer_range", initializer_range, 0, 100));
  if (bos_token_id != -1) {
    AHA_RETURN_IF_ERROR(CheckTokenId("bos_token_id", bos_token_id, vocab_size));
  }
  for (const int32_t id : eos_token_ids) {
    AHA_RETURN_IF_ERROR(CheckTokenId("eos_token_id", id, vocab_size));
  }
  if (ParameterCount(*this) > static_cast<double>(kMaxParameters)) {
    return ConfigInvalid(
        "hidden_size",
        absl::StrCat("must give at most ", kMaxParameters,
                     " parameters together with the other sizes"),
        absl::StrCat(ParameterCount(*this)));
  }
  return absl::OkStatus();
}

void ModelConfig::AddEndToken(int32_t id) {
  const bool known = std::find(eos_token_ids.begin(), eos_token_ids.end(),
                               id) != eos_token_ids.end();
  if (!known && id >= 0 && id < vocab_size) eos_token_ids.push_back(id);
}

absl::StatusOr<ModelConfig> ModelConfig::Parse(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(const ConfigJson json, ConfigJson::Parse(text));
  const Json* type = json.Find("model_type");
  if (type == nullptr) {
    return ConfigInvalid("model_type", "is required", "nothing");
  }
  const Family* family =
      type->is_string() ? FindFamily(type->get<std::string>()) : nullptr;
  if (family == nullptr) {
    return ConfigUnsupported(
        "model_type", absl::StrCat("must be ", FamilyNames()), ShowJson(*type));
  }
  ModelConfig config;
  config.model_type = family->model_type;
  // Transformers assumes these values for absent fields.
  config.rms_norm_eps = 1e-6;
  config.tie_word_embeddings = false;
  AHA_RETURN_IF_ERROR(family->read(json, &config));
  AHA_RETURN_IF_ERROR(ReadSpecialTokens(json, &config));
  AHA_RETURN_IF_ERROR(config.Validate());
  return config;
}

absl::StatusOr<ModelConfig> ModelConfig::Load(const std::string& directory) {
  AHA_ASSIGN_OR_RETURN(
      const std::string text,
      ReadWholeFile(absl::StrCat(directory, "/config.json"), kMaxConfigBytes));
  AHA_ASSIGN_OR_RETURN(
      const std::string generation,
      ReadFileIfThere(absl::StrCat(directory, "/generation_config.json"),
                      kMaxConfigBytes));
  absl::StatusOr<ModelConfig> config = Parse(text);
  absl::Status status = config.status();
  if (config.ok()) status = AddGenerationConfig(generation, &*config);
  if (status.ok()) status = AddTokenizersEnd(directory, &*config);
  if (status.ok()) return config;
  return absl::Status(status.code(),
                      absl::StrCat(directory, "/", status.message()));
}

std::string ModelConfig::ToJson() const {
  nlohmann::ordered_json json;
  const Family& family = FamilyOf(*this);
  json["architectures"] = {family.architecture};
  json["model_type"] = family.model_type;
  json["hidden_size"] = hidden_size;
  json["intermediate_size"] = intermediate_size;
  json["num_hidden_layers"] = num_hidden_layers;
  json["num_attention_heads"] = num_attention_heads;
  json["num_key_value_heads"] = num_key_value_heads;
  json["head_dim"] = head_dim;
  json["vocab_size"] = vocab_size;
  json["max_position_embeddings"] = max_position_embeddings;
  json["hidden_act"] = "silu";
  json["rope_theta"] = rope_theta;
  json["rope_scaling"] = RopeScalingJson(rope_scaling);
  json["rms_norm_eps"] = rms_norm_eps;
  family.write(*this, &json);
  json["tie_word_embeddings"] = tie_word_embeddings;
  json["initializer_range"] = initializer_range;
  json["bos_token_id"] = nullptr;
  if (bos_token_id >= 0) json["bos_token_id"] = bos_token_id;
  json["eos_token_id"] = nullptr;
  if (eos_token_ids.size() == 1) json["eos_token_id"] = eos_token_ids[0];
  if (eos_token_ids.size() > 1) json["eos_token_id"] = eos_token_ids;
  return absl::StrCat(json.dump(2), "\n");
}

}  // namespace aha
