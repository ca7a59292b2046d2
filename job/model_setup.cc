#include "job/model_setup.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/status.h"

namespace aha {
namespace {

constexpr uint64_t kMaxTokenizerFile = 256 << 20;
constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "chat_template.jinja", "generation_config.json"};

// Every error of the model directory becomes INVALID_ARGUMENT, because starting
// again cannot repair it.
absl::Status InModelPath(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("model.path \"", path, "\": ", status.message()));
}

// A configuration from model.architecture has no file; one from a directory was
// checked when it was read.
absl::Status InArchitecture(const absl::Status& status) {
  absl::string_view problem = status.message();
  absl::ConsumePrefix(&problem, "config.json: ");
  return status.ok()
             ? status
             : absl::Status(status.code(),
                            absl::StrCat("model.architecture.", problem));
}

absl::StatusOr<DType> ResolveDType(const std::string& dtype) {
  if (dtype == "auto") return NativeDType();
  if (dtype == "bf16") return DType::kBf16;
  if (dtype == "fp32") return DType::kF32;
  return absl::InvalidArgumentError(absl::StrCat(
      "model.dtype must be auto, bf16 or fp32, is \"", dtype, "\""));
}

ModelConfig ConfigOf(const v1::Architecture& shape,
                     const TokenizerFiles& tokenizer) {
  ModelConfig config;
  config.hidden_size = shape.hidden_size();
  config.intermediate_size = shape.intermediate_size();
  config.num_hidden_layers = shape.num_hidden_layers();
  config.num_attention_heads = shape.num_attention_heads();
  config.num_key_value_heads = shape.num_key_value_heads();
  config.head_dim = shape.hidden_size() / shape.num_attention_heads();
  config.vocab_size = tokenizer.vocab_size;
  config.max_position_embeddings = shape.max_position_embeddings();
  config.rope_theta = shape.rope_theta();
  config.rms_norm_eps = shape.rms_norm_eps();
  config.tie_word_embeddings = shape.tie_word_embeddings();
  config.initializer_range = shape.initializer_range();
  config.eos_token_ids = {tokenizer.eos_token_id};
  return config;
}

absl::Status FromDirectory(const std::string& directory, ModelSetup* setup) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return absl::NotFoundError(absl::StrCat(
        "must be a model directory (config.json, tokenizer.json, "
        "model.safetensors), is ",
        std::filesystem::exists(directory, error) ? "none" : "not there", ": ",
        std::filesystem::absolute(directory, error).string()));
  }
  AHA_ASSIGN_OR_RETURN(setup->config, ModelConfig::Load(directory));
  AHA_ASSIGN_OR_RETURN(setup->tokenizer, Tokenizer::Load(directory));
  if (const auto end = setup->tokenizer->turn_end()) {
    setup->config.AddEndToken(*end);
  }
  for (const char* name : kTokenizerFiles) {
    const std::string path = absl::StrCat(directory, "/", name);
    if (!std::filesystem::exists(path)) continue;
    AHA_ASSIGN_OR_RETURN(std::string content,
                         ReadWholeFile(path, kMaxTokenizerFile));
    setup->tokenizer_files.emplace_back(name, std::move(content));
  }
  return absl::OkStatus();
}

absl::Status FromArchitecture(const v1::Architecture& shape,
                              ModelSetup* setup) {
  if (shape.num_attention_heads() < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.architecture.num_attention_heads must be at least "
                     "1, is ",
                     shape.num_attention_heads()));
  }
  TokenizerFiles files = CharacterTokenizer();
  setup->config = ConfigOf(shape, files);
  AHA_ASSIGN_OR_RETURN(
      setup->tokenizer,
      Tokenizer::Parse(files.tokenizer_json, files.tokenizer_config_json));
  setup->tokenizer_files.emplace_back("tokenizer.json",
                                      std::move(files.tokenizer_json));
  setup->tokenizer_files.emplace_back("tokenizer_config.json",
                                      std::move(files.tokenizer_config_json));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelSetup> SetUpModel(const v1::Model& model) {
  ModelSetup setup;
  AHA_ASSIGN_OR_RETURN(setup.dtype, ResolveDType(model.dtype()));
  AHA_RETURN_IF_ERROR(
      model.path().empty()
          ? FromArchitecture(model.architecture(), &setup)
          : InModelPath(model.path(), FromDirectory(model.path(), &setup)));
  AHA_RETURN_IF_ERROR(InArchitecture(setup.config.Validate()));
  if (setup.config.eos_token_ids.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.path \"", model.path(),
        "\": config.json must name an eos_token_id, or no completion ends"));
  }
  return setup;
}

absl::StatusOr<Parameters> StartingWeights(const v1::Job& job,
                                           const ModelSetup& setup) {
  if (job.model().path().empty()) {
    return RandomParameters(setup.config, job.seed(), setup.dtype);
  }
  absl::StatusOr<Parameters> weights =
      ReadSafetensors(job.model().path(), setup.config, setup.dtype);
  if (weights.ok()) return weights;
  return InModelPath(job.model().path(), weights.status());
}

}  // namespace aha
