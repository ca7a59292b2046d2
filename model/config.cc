// Implements model/config.h. Parse reads the fields one by one into a
// ModelConfig and Validate bounds them, so that no later size computation can
// overflow.
#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxConfigBytes = 1 << 20;
// With this bound every product of two of the bounds below, and the sum over
// all tensors, fits int64_t.
constexpr int64_t kMaxParameters = int64_t{1} << 36;
// The table of sines and cosines has head_dim floats for each position and is
// made before anything runs.
constexpr int64_t kMaxRopeBytes = int64_t{256} << 20;

absl::Status Invalid(absl::string_view field, absl::string_view rule,
                     absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat("config.json: ", field, " ", rule, ", found ", value));
}

absl::Status Unsupported(absl::string_view field, absl::string_view rule,
                         absl::string_view value) {
  return absl::UnimplementedError(absl::StrCat("config.json: ", field, " ",
                                               rule, ", found ", value,
                                               " (not supported)"));
}

// Returns the value in a readable length, for messages. Never throws.
std::string Show(const Json& value) {
  std::string text =
      value.is_structured()
          ? std::string(value.is_array() ? "an array" : "an object")
          : value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// Returns the value of `field`, or null if it is absent or null.
const Json* Find(const Json& json, const char* field) {
  const auto it = json.find(field);
  return it == json.end() || it->is_null() ? nullptr : &*it;
}

absl::StatusOr<int64_t> ToInteger(const Json& value, const char* field) {
  const bool fits =
      value.is_number_integer() &&
      !(value.is_number_unsigned() &&
        value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()});
  if (!fits) return Invalid(field, "must be an integer", Show(value));
  return value.get<int64_t>();
}

enum class Presence { kRequired, kOptional };

absl::Status ReadInteger(const Json& json, const char* field, Presence presence,
                         int64_t* out) {
  const Json* value = Find(json, field);
  if (value == nullptr) {
    return presence == Presence::kOptional
               ? absl::OkStatus()
               : Invalid(field, "is required", "nothing");
  }
  AHA_ASSIGN_OR_RETURN(*out, ToInteger(*value, field));
  return absl::OkStatus();
}

absl::Status ReadDouble(const Json& json, const char* field, double* out) {
  const Json* value = Find(json, field);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_number()) {
    return Invalid(field, "must be a number", Show(*value));
  }
  *out = value->get<double>();
  return absl::OkStatus();
}

absl::Status ReadBool(const Json& json, const char* field, bool* out) {
  const Json* value = Find(json, field);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_boolean()) {
    return Invalid(field, "must be true or false", Show(*value));
  }
  *out = value->get<bool>();
  return absl::OkStatus();
}

// Requires `field`, if it is present, to be `want`: any other value is another
// kind of model.
absl::Status RequireEqual(const Json& json, const char* field,
                          const Json& want) {
  const Json* value = Find(json, field);
  if (value == nullptr || *value == want) return absl::OkStatus();
  return Unsupported(field, absl::StrCat("must be ", Show(want)), Show(*value));
}

absl::Status CheckSupported(const Json& json) {
  const Json* type = Find(json, "model_type");
  if (type == nullptr) return Invalid("model_type", "is required", "nothing");
  AHA_RETURN_IF_ERROR(RequireEqual(json, "model_type", "llama"));
  AHA_RETURN_IF_ERROR(RequireEqual(json, "hidden_act", "silu"));
  AHA_RETURN_IF_ERROR(RequireEqual(json, "attention_bias", false));
  AHA_RETURN_IF_ERROR(RequireEqual(json, "mlp_bias", false));
  AHA_RETURN_IF_ERROR(RequireEqual(json, "rope_interleaved", false));
  for (const char* field : {"rope_scaling", "quantization_config"}) {
    if (const Json* value = Find(json, field)) {
      return Unsupported(field, "must be null", Show(*value));
    }
  }
  return absl::OkStatus();
}

// Reads rope_theta, which transformers 5 writes into rope_parameters.
absl::Status ReadRope(const Json& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(ReadDouble(json, "rope_theta", &config->rope_theta));
  const Json* rope = Find(json, "rope_parameters");
  if (rope == nullptr) return absl::OkStatus();
  if (!rope->is_object()) {
    return Invalid("rope_parameters", "must be an object", Show(*rope));
  }
  const Json* type = Find(*rope, "rope_type");
  if (type != nullptr && *type != "default") {
    return Unsupported("rope_parameters.rope_type", "must be \"default\"",
                       Show(*type));
  }
  return ReadDouble(*rope, "rope_theta", &config->rope_theta);
}

absl::StatusOr<int32_t> ToTokenId(const Json& value, const char* field) {
  AHA_ASSIGN_OR_RETURN(const int64_t id, ToInteger(value, field));
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
    return Invalid(field, "must be a token id", absl::StrCat(id));
  }
  return static_cast<int32_t>(id);
}

// Adds the tokens that end a completion to those that are already known.
absl::Status ReadEndTokens(const Json& json, ModelConfig* config) {
  const Json* eos = Find(json, "eos_token_id");
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

absl::Status ReadSpecialTokens(const Json& json, ModelConfig* config) {
  if (const Json* bos = Find(json, "bos_token_id")) {
    AHA_ASSIGN_OR_RETURN(config->bos_token_id, ToTokenId(*bos, "bos_token_id"));
  }
  return ReadEndTokens(json, config);
}

absl::Status ReadShape(const Json& json, ModelConfig* c) {
  const auto required = [&](const char* field, int64_t* out) {
    return ReadInteger(json, field, Presence::kRequired, out);
  };
  AHA_RETURN_IF_ERROR(required("hidden_size", &c->hidden_size));
  AHA_RETURN_IF_ERROR(required("intermediate_size", &c->intermediate_size));
  AHA_RETURN_IF_ERROR(required("num_hidden_layers", &c->num_hidden_layers));
  AHA_RETURN_IF_ERROR(required("num_attention_heads", &c->num_attention_heads));
  AHA_RETURN_IF_ERROR(required("vocab_size", &c->vocab_size));
  AHA_RETURN_IF_ERROR(
      required("max_position_embeddings", &c->max_position_embeddings));
  c->num_key_value_heads = c->num_attention_heads;
  AHA_RETURN_IF_ERROR(ReadInteger(json, "num_key_value_heads",
                                  Presence::kOptional,
                                  &c->num_key_value_heads));
  if (Find(json, "head_dim") != nullptr) {
    return ReadInteger(json, "head_dim", Presence::kRequired, &c->head_dim);
  }
  if (c->num_attention_heads <= 0 ||
      c->hidden_size % c->num_attention_heads != 0) {
    return Invalid(
        "hidden_size",
        "must be a multiple of num_attention_heads if head_dim is "
        "absent",
        absl::StrCat(c->hidden_size, " and ", c->num_attention_heads));
  }
  c->head_dim = c->hidden_size / c->num_attention_heads;
  return absl::OkStatus();
}

absl::Status InRange(const char* field, int64_t value, int64_t low,
                     int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Invalid(field, absl::StrCat("must be in [", low, ", ", high, "]"),
                 absl::StrCat(value));
}

absl::Status CheckTokenId(const char* field, int64_t id, int64_t vocab) {
  if (id >= 0 && id < vocab) return absl::OkStatus();
  return Invalid(field, absl::StrCat("must be below vocab_size ", vocab),
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
  return static_cast<double>(c.num_hidden_layers) * (attention + mlp) + tables;
}

absl::StatusOr<Json> ParseObject(absl::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.json: must be at most ", kMaxConfigBytes,
                     " bytes, found ", text.size()));
  }
  absl::StatusOr<Json> json = ParseJson<Json>(text);
  if (!json.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.json: ", json.status().message()));
  }
  if (!json->is_object()) {
    return absl::InvalidArgumentError("config.json: must be a JSON object");
  }
  return json;
}

// generation_config.json may name further end tokens, at which transformers
// stops too: a chat model's config.json often lacks the one that ends a turn.
absl::Status AddGenerationConfig(absl::string_view text, ModelConfig* config) {
  if (text.empty()) return absl::OkStatus();
  const auto add = [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const Json json, ParseObject(text));
    AHA_RETURN_IF_ERROR(ReadEndTokens(json, config));
    return config->Validate();
  };
  absl::Status status = add();
  if (status.ok()) return status;
  // The config was valid before, so the error is in the other file.
  return absl::Status(status.code(),
                      absl::StrCat("generation_", status.message()));
}

absl::Status CheckReal(const char* field, double value, double low,
                       double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Invalid(field, absl::StrCat("must be in [", low, ", ", high, "]"),
                 absl::StrCat(value));
}

}  // namespace

absl::Status ModelConfig::Validate() const {
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
    return Invalid("num_attention_heads",
                   absl::StrCat("must be a multiple of num_key_value_heads ",
                                num_key_value_heads),
                   absl::StrCat(num_attention_heads));
  }
  if (head_dim % 2 != 0) {
    return Invalid("head_dim", "must be even", absl::StrCat(head_dim));
  }
  constexpr int64_t kFloat = sizeof(float);
  if (max_position_embeddings * head_dim * kFloat > kMaxRopeBytes) {
    return Invalid(
        "max_position_embeddings",
        absl::StrCat("times head_dim must be at most ", kMaxRopeBytes / kFloat),
        absl::StrCat(max_position_embeddings, " and ", head_dim));
  }
  AHA_RETURN_IF_ERROR(CheckReal("rope_theta", rope_theta, 1, 1e12));
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
    return Invalid("hidden_size",
                   absl::StrCat("must give at most ", kMaxParameters,
                                " parameters together with the other sizes"),
                   absl::StrCat(ParameterCount(*this)));
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelConfig> ModelConfig::Parse(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseObject(text));
  AHA_RETURN_IF_ERROR(CheckSupported(json));
  ModelConfig config;
  // Transformers assumes these values for absent fields.
  config.rms_norm_eps = 1e-6;
  config.tie_word_embeddings = false;
  AHA_RETURN_IF_ERROR(ReadShape(json, &config));
  AHA_RETURN_IF_ERROR(ReadRope(json, &config));
  AHA_RETURN_IF_ERROR(ReadDouble(json, "rms_norm_eps", &config.rms_norm_eps));
  AHA_RETURN_IF_ERROR(
      ReadDouble(json, "initializer_range", &config.initializer_range));
  AHA_RETURN_IF_ERROR(
      ReadBool(json, "tie_word_embeddings", &config.tie_word_embeddings));
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
  if (status.ok()) return config;
  return absl::Status(status.code(),
                      absl::StrCat(directory, "/", status.message()));
}

std::string ModelConfig::ToJson() const {
  nlohmann::ordered_json json;
  json["architectures"] = {"LlamaForCausalLM"};
  json["model_type"] = "llama";
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
  json["rope_scaling"] = nullptr;
  json["rms_norm_eps"] = rms_norm_eps;
  json["attention_bias"] = false;
  json["mlp_bias"] = false;
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
