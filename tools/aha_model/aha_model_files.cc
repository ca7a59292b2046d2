// aha-model inspect, import, export and certify.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file_io.h"
#include "base/signal_cleanup.h"
#include "base/status.h"
#include "cli/term/text.h"
#include "model/formats/import.h"
#include "nlohmann/json.hpp"
#include "tools/aha_model/aha_model_common.h"

namespace aha::cli {
namespace {

// The number format that a directory's config.json declares; bf16 if none.
DType DeclaredDType(const std::string& directory) {
  const std::string text =
      ReadFileIfThere(directory + "/config.json", 1 << 20).value_or("");
  // Loading the model reports what is wrong with the file.
  const Json config = ParseStoredJson(text, "config.json").value_or(Json());
  std::string declared = TextOr(config, "torch_dtype", "");
  if (declared.empty()) declared = TextOr(config, "dtype", "");
  return declared == "float32" ? DType::kF32 : DType::kBf16;
}

const char* ShortName(DType dtype) {
  return dtype == DType::kF32 ? "fp32" : "bf16";
}

Json ShapeJson(const ModelConfig& config) {
  Json json;
  json["model_type"] = config.model_type;
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = config.intermediate_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  if (!config.sparse_layers.empty()) {
    json["sparse_layers"] = std::count(config.sparse_layers.begin(),
                                       config.sparse_layers.end(), true);
    json["num_experts"] = config.num_experts;
    json["num_experts_per_tok"] = config.num_experts_per_tok;
    json["moe_intermediate_size"] = config.moe_intermediate_size;
  }
  json["num_attention_heads"] = config.num_attention_heads;
  json["num_key_value_heads"] = config.num_key_value_heads;
  json["head_dim"] = config.head_dim;
  json["vocab_size"] = config.vocab_size;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["context"] = config.context();
  json["rope_theta"] = config.rope_theta;
  json["rms_norm_eps"] = config.rms_norm_eps;
  json["tie_word_embeddings"] = config.tie_word_embeddings;
  json["eos_token_ids"] = config.eos_token_ids;
  return json;
}

// OK if the model's chat template renders a question; otherwise the reason.
absl::Status ChatStatus(const Tokenizer& tokenizer) {
  const ChatMessage hello = {"user", "hello"};
  return tokenizer.ApplyChatTemplate({&hello, 1}).status();
}

// What a model directory holds.
absl::StatusOr<Json> Describe(const ModelOptions& model) {
  AHA_RETURN_IF_ERROR(CheckModelDirectory(model.directory));
  AHA_ASSIGN_OR_RETURN(const DType dtype,
                       ParseDType(model.dtype, DeclaredDType(model.directory)));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                       Tokenizer::Load(model.directory));
  AHA_ASSIGN_OR_RETURN(const ModelConfig config,
                       LoadConfig(model.directory, *tokenizer));
  AHA_ASSIGN_OR_RETURN(const Parameters parameters,
                       ReadSafetensors(model.directory, config, dtype));
  Json json;
  json["directory"] = model.directory;
  json["config"] = ShapeJson(config);
  json["parameters"] = parameters.layout().count();
  json["active_parameters"] = parameters.layout().active_count();
  json["dtype"] = ShortName(dtype);
  json["bytes"] = parameters.bytes();
  json["weights_checksum"] = WeightsChecksum(parameters).Hex();
  json["tokenizer_vocab_size"] = tokenizer->vocab_size();
  std::vector<std::string> ends;
  for (const int32_t id : config.eos_token_ids) {
    const std::string text = tokenizer->Decode({&id, 1});
    ends.push_back(text != "\uFFFD" ? text : absl::StrCat("token ", id));
  }
  json["eos_tokens"] = ends;
  const absl::Status chat = ChatStatus(*tokenizer);
  json["chat_template"] =
      chat.ok() ? "renders a question" : std::string(chat.message());
  return json;
}

void PrintField(const char* name, const std::string& value) {
  std::printf("%-18s %s\n", name, OneLine(value).c_str());
}

std::string Of(const Json& json, const char* key) {
  return json[key].is_string() ? json[key].get<std::string>()
                               : json[key].dump();
}

absl::Status Convert(const ModelOptions& model, const ConvertOptions& options,
                     DType dtype) {
  AHA_ASSIGN_OR_RETURN(const ModelFiles files,
                       ReadModel(model.directory, dtype));
  {
    const SignalCleanup abandon([&] { AbandonModel(options.destination); });
    AHA_RETURN_IF_ERROR(WriteModel(files, options.destination));
  }
  Json json;
  json["source"] = model.directory;
  json["directory"] = options.destination;
  json["parameters"] = files.parameters.layout().count();
  json["dtype"] = ShortName(dtype);
  json["bytes"] = files.parameters.bytes();
  json["weights_checksum"] = WeightsChecksum(files.parameters).Hex();
  if (model.format == Format::kJson) {
    PrintJsonLine(json);
    return absl::OkStatus();
  }
  PrintLine(absl::StrCat(
      "wrote ", OneLine(options.destination), ": ",
      FormatCount(static_cast<uint64_t>(files.parameters.layout().count())),
      " parameters in ", ShortName(dtype), ", ",
      FormatBytes(static_cast<uint64_t>(files.parameters.bytes())),
      ", weights ", Of(json, "weights_checksum")));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                       Tokenizer::Load(options.destination));
  PrintLine(absl::StrCat("next: aha-model generate ",
                         OneLine(options.destination),
                         ChatStatus(*tokenizer).ok() ? " --chat" : "",
                         " --prompt 'What is 2 + 2?'"));
  return absl::OkStatus();
}

}  // namespace

absl::Status Inspect(const ModelOptions& model) {
  AHA_ASSIGN_OR_RETURN(const Json json, Describe(model));
  if (model.format == Format::kJson) {
    PrintJsonLine(json);
    return absl::OkStatus();
  }
  const Json& config = json["config"];
  PrintField("model", Of(json, "directory"));
  PrintField("family", Of(config, "model_type"));
  PrintField("parameters", FormatCount(json["parameters"].get<uint64_t>()) +
                               " in " + Of(json, "dtype") + ", " +
                               FormatBytes(json["bytes"].get<uint64_t>()));
  if (config.contains("num_experts")) {
    PrintField("active",
               FormatCount(json["active_parameters"].get<uint64_t>()) +
                   " parameters for a token");
    PrintField("experts", Of(config, "num_experts_per_tok") + " of " +
                              Of(config, "num_experts") + ", inner " +
                              Of(config, "moe_intermediate_size") + ", in " +
                              Of(config, "sparse_layers") + " layers");
  }
  PrintField("layers", Of(config, "num_hidden_layers") + " of " +
                           Of(config, "hidden_size") + ", inner " +
                           Of(config, "intermediate_size"));
  PrintField("heads", Of(config, "num_attention_heads") + " of " +
                          Of(config, "head_dim") + ", " +
                          Of(config, "num_key_value_heads") +
                          " for keys and values");
  PrintField("vocabulary", Of(config, "vocab_size") + " (tokenizer " +
                               Of(json, "tokenizer_vocab_size") + "), " +
                               (config["tie_word_embeddings"].get<bool>()
                                    ? "head tied to the embedding"
                                    : "head of its own"));
  PrintField("context", Of(config, "context") + " tokens");
  PrintField(
      "ends at",
      absl::StrJoin(json["eos_tokens"].get<std::vector<std::string>>(), " "));
  PrintField("chat template", Of(json, "chat_template"));
  PrintField("weights checksum", Of(json, "weights_checksum"));
  return absl::OkStatus();
}

absl::Status Import(const ModelOptions& model, const ConvertOptions& options) {
  AHA_ASSIGN_OR_RETURN(const DType dtype,
                       ParseDType(model.dtype, DType::kBf16));
  return Convert(model, options, dtype);
}

absl::Status Export(const ModelOptions& model, const ConvertOptions& options) {
  AHA_RETURN_IF_ERROR(CheckModelDirectory(model.directory));
  AHA_ASSIGN_OR_RETURN(const DType dtype,
                       ParseDType(model.dtype, DeclaredDType(model.directory)));
  return Convert(model, options, dtype);
}

absl::Status CertifyModel(const ModelOptions& model) {
  AHA_RETURN_IF_ERROR(CheckModelDirectory(model.directory));
  AHA_ASSIGN_OR_RETURN(const DType dtype, ComputeDType(model));
  AHA_ASSIGN_OR_RETURN(const ModelConfig config,
                       ModelConfig::Load(model.directory));
  // Sizes that only config.json declares may need more memory than there is.
  AHA_RETURN_IF_ERROR(CheckSafetensors(model.directory, config));
  AHA_ASSIGN_OR_RETURN(
      const KernelCertificate certificate,
      Certify(config, dtype, ops::Device::kCpu, ThreadsOf(model)));
  if (model.format == Format::kJson) {
    Json json;
    json["digest"] = certificate.digest;
    json["numeric_class"] = certificate.numeric_class;
    json["threads"] = ThreadsOf(model);
    PrintJsonLine(json);
    return absl::OkStatus();
  }
  PrintLine(
      "every kernel gives the same bits for every batch size and for 1 "
      "and more threads");
  PrintField("numeric class", certificate.numeric_class);
  PrintField("digest", certificate.digest);
  return absl::OkStatus();
}

}  // namespace aha::cli
