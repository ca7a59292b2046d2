// Converts foreign models to model directories in Hugging Face's layout:
// config.json, model.safetensors, tokenizer.json, tokenizer_config.json,
// generation_config.json.
//
// A directory appears whole or not at all: it is written under another name
// beside its place and then renamed. The functions depend on nothing but the
// files.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "device/dtype.h"
#include "model/config.h"
#include "model/formats/gguf.h"
#include "model/parameters.h"

namespace aha {

struct ModelFiles {
  ModelConfig config;
  Parameters parameters;
  std::string tokenizer_json;
  std::string tokenizer_config_json;   // Empty if there is none.
  std::string chat_template_jinja;     // Empty if there is none.
  std::string generation_config_json;  // Empty if there is none.
};

// Reads a .gguf file (of Llama, Qwen2, Qwen3 or Gemma 3), a .safetensors file
// with config.json and tokenizer.json beside it, or a directory of these.
// Returns NOT_FOUND if the source does not exist; other errors name the file,
// the field, the rule and the value.
absl::StatusOr<ModelFiles> ReadModel(const std::string& source, DType dtype);

// The config.json of a model directory whose weights are in this format.
std::string ConfigText(const ModelConfig& config, DType dtype);

// Returns ALREADY_EXISTS if the directory exists and is not empty. It also
// removes what earlier calls for this directory left beside it when their
// processes were killed.
absl::Status WriteModel(const ModelFiles& files, const std::string& directory);
// Removes what a WriteModel call in this process has written so far. Another
// thread calls it when the process is about to end.
void AbandonModel(const std::string& directory);

// The parts of ReadModel that read GGUF.
absl::StatusOr<ModelConfig> ConfigOfGguf(const GgufFile& file);
absl::StatusOr<Parameters> ParametersOfGguf(const GgufFile& file,
                                            const ModelConfig& config,
                                            DType dtype);
struct GgufTokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
};
absl::StatusOr<GgufTokenizerFiles> TokenizerOfGguf(const GgufFile& file);

}  // namespace aha
