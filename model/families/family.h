// A family is a kind of model that Aha runs, named by the model_type of its
// config.json (llama, qwen2, ...): how its config.json is read and written,
// what its tensors are called, and which blocks its layers consist of.
//
// What a family does not compute it refuses by name when a model is loaded;
// no setting is ignored that would change a result.
//
// To add a family, write one pair of files in this folder, as qwen2.h and
// qwen2.cc, and add it to the table in family.cc. docs/models.md lists what
// each family was checked against.
//
// Internal to model/ and model/formats/. Immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/blocks/block.h"
#include "model/blocks/norm.h"
#include "model/config.h"
#include "model/config_json.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

// Of families that do nothing special.
NormRule PlainNorm(const ModelConfig& config);
double PlainEmbedding(const ModelConfig& config);

// A tensor of a file that holds several of the model's, one behind the other.
struct PackedTensors {
  std::vector<int64_t> shape;  // The shape of the whole.
  std::vector<std::string> names;
};

struct Family {
  const char* model_type;    // In config.json, such as "qwen2".
  const char* architecture;  // In config.json, such as "Qwen2ForCausalLM".

  // Reads all fields but model_type and the special tokens. UNIMPLEMENTED
  // naming a field whose value asks for something that the family does not
  // compute; INVALID_ARGUMENT for fields that are missing or malformed.
  absl::Status (*read)(const ConfigJson& json, ModelConfig* config);
  // Adds the fields that only this family's config.json has.
  void (*write)(const ModelConfig& config, nlohmann::ordered_json* json);

  // One entry a layer. REQUIRES: config.Validate().
  std::vector<LayerSpec> (*layers)(const ModelConfig& config);

  // The norm that the head reads.
  NormRule (*final_norm_rule)(const ModelConfig& config) = PlainNorm;
  // What the embeddings are multiplied by.
  double (*embedding_factor)(const ModelConfig& config) = PlainEmbedding;

  // True for a tensor in a file that the model has no use for, because it is a
  // constant that Aha computes.
  bool (*ignores)(absl::string_view tensor);

  // What a tensor in a file holds, if it is none of the model's but has several
  // of them or one of another name; null: there are no such tensors.
  std::optional<PackedTensors> (*packed)(const ModelConfig& config,
                                         absl::string_view tensor) = nullptr;

  const char* embedding = "model.embed_tokens.weight";
  const char* layer_prefix = "model.layers.";  // Number, dot and name follow.
  const char* final_norm = "model.norm.weight";
  const char* head =
      "lm_head.weight";  // In files of models that do not tie it.
};

// All families, in alphabetical order.
absl::Span<const Family* const> Families();
// "llama, mistral or qwen2", say: their model types, for messages.
std::string FamilyNames();
// Null if there is none of this model type.
const Family* FindFamily(absl::string_view model_type);
// REQUIRES: config.Validate().
const Family& FamilyOf(const ModelConfig& config);

}  // namespace aha
