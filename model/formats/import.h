// Foreign models -> model directories as Hugging Face lays them out:
// config.json, model.safetensors, tokenizer.json, tokenizer_config.json,
// generation_config.json.
//
// A directory appears whole or not at all: it is written beside its place and
// renamed.
//
// Pure functions but for the files.
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
  std::string tokenizer_config_json;   // Empty: none.
  std::string chat_template_jinja;     // Empty: none.
  std::string generation_config_json;  // Empty: none.
};

// A .gguf file (llama architecture), a .safetensors file with config.json and
// tokenizer.json beside it, or a directory of these.  NOT_FOUND if it is not
// there; otherwise the error names the file, the field, the rule and the value.
absl::StatusOr<ModelFiles> ReadModel(const std::string& source, DType dtype);

// ALREADY_EXISTS if the directory is there and not empty.  Also removes what
// calls for this directory left beside it when their process was killed.
absl::Status WriteModel(const ModelFiles& files, const std::string& directory);
// Removes what a call in this process has written so far; for another thread,
// when the process is about to end.
void AbandonModel(const std::string& directory);

// The parts of ReadModel for GGUF.
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
