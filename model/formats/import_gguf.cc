// Reads the config and the weights of a model from GGUF
// (model/formats/import.h). Names and the order of rows differ from Hugging
// Face's; GgufName and SourceRow translate them.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "model/formats/import.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

// What llama.cpp calls a family, and how its converter stores the weights.
struct Architecture {
  const char* name;
  const char* model_type;
  // The rows of q and k have the halves of a head alternating (SourceRow).
  bool alternating_halves = false;
  // Norms are stored as the gains and not as the gains less 1.
  bool whole_gains = false;
};

constexpr Architecture kArchitectures[] = {
    {.name = "gemma3", .model_type = "gemma3_text", .whole_gains = true},
    {.name = "llama", .model_type = "llama", .alternating_halves = true},
    {.name = "qwen2", .model_type = "qwen2"},
    {.name = "qwen3", .model_type = "qwen3"},
};

absl::StatusOr<const Architecture*> ArchitectureOf(const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const std::string name,
                       file.String("general.architecture"));
  std::string names;
  for (const Architecture& architecture : kArchitectures) {
    if (name == architecture.name) return &architecture;
    absl::StrAppend(&names, names.empty() ? "" : ", ", architecture.name);
  }
  return absl::UnimplementedError(absl::StrCat(
      "general.architecture must be one of ", names, ", got ", Quote(name)));
}

// Undoes the rounding of a decimal fraction to float: 9.99999975e-06 becomes
// 1e-5.
double ShortestDecimal(double value) {
  const float narrow = static_cast<float>(value);
  char text[32];
  const auto printed = std::to_chars(text, text + sizeof text, narrow);
  double shortest = value;
  std::from_chars(text, printed.ptr, shortest);
  return static_cast<float>(shortest) == narrow ? shortest : value;
}

absl::StatusOr<int64_t> IntegerOr(const GgufFile& file, absl::string_view key,
                                  int64_t absent) {
  if (file.Find(key) == nullptr) return absent;
  return file.Integer(key);
}

absl::StatusOr<double> NumberOr(const GgufFile& file, absl::string_view key,
                                double absent) {
  if (file.Find(key) == nullptr) return absent;
  AHA_ASSIGN_OR_RETURN(const double value, file.Number(key));
  return ShortestDecimal(value);
}

// The keys of one architecture.
class Keys {
 public:
  Keys(const GgufFile& file, const Architecture& architecture)
      : file_(file), prefix_(absl::StrCat(architecture.name, ".")) {}
  std::string operator()(absl::string_view name) const {
    return absl::StrCat(prefix_, name);
  }
  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;
  const std::string prefix_;
};

// rope.scaling.type and rope.scaling.factor, or rope.scale_linear in old files.
// Other kinds have more numbers than a file tells.
absl::Status ReadScaling(const Keys& key, ModelConfig* config) {
  const GgufFile& file = key.file();
  if (file.FindTensor("rope_freqs.weight") != nullptr) {
    return absl::UnimplementedError(
        "tensor rope_freqs.weight (scaled rotary positions) is not supported: "
        "import the model from its Hugging Face directory");
  }
  AHA_ASSIGN_OR_RETURN(
      config->rope_scaling.factor,
      NumberOr(file, key("rope.scale_linear"), config->rope_scaling.factor));
  std::string type = config->rope_scaling.factor == 1 ? "none" : "linear";
  if (file.Find(key("rope.scaling.type")) != nullptr) {
    AHA_ASSIGN_OR_RETURN(type, file.String(key("rope.scaling.type")));
  }
  if (type == "none") {
    config->rope_scaling = {};
    return absl::OkStatus();
  }
  if (type != "linear") {
    return absl::UnimplementedError(
        absl::StrCat(key("rope.scaling.type"),
                     " must be \"none\" or \"linear\", got ", Quote(type)));
  }
  config->rope_scaling.type = RopeType::kLinear;
  AHA_ASSIGN_OR_RETURN(
      config->rope_scaling.factor,
      NumberOr(file, key("rope.scaling.factor"), config->rope_scaling.factor));
  return absl::OkStatus();
}

// The window of Gemma 3, whose pattern the file takes for known: each sixth
// layer sees everything. So is the softmax scale of 27B, the one with 62
// layers.
absl::Status ReadGemma3(const Keys& key, ModelConfig* config) {
  AHA_ASSIGN_OR_RETURN(config->sliding_window,
                       key.file().Integer(key("attention.sliding_window")));
  AHA_ASSIGN_OR_RETURN(config->rope_local_base_freq,
                       NumberOr(key.file(), key("rope.freq_base_swa"), 10000));
  for (int64_t i = 0; i < std::min<int64_t>(config->num_hidden_layers, 1024);
       ++i) {
    config->sliding_layers.push_back(i % 6 != 5);
  }
  config->query_pre_attn_scalar =
      config->num_hidden_layers == 62
          ? static_cast<double>(config->hidden_size) /
                static_cast<double>(config->num_attention_heads)
          : static_cast<double>(config->head_dim);
  return absl::OkStatus();
}

absl::Status ReadShape(const Keys& key, ModelConfig* config) {
  const GgufFile& file = key.file();
  const struct {
    const char* name;
    int64_t* field;
  } fields[] = {
      {"embedding_length", &config->hidden_size},
      {"feed_forward_length", &config->intermediate_size},
      {"block_count", &config->num_hidden_layers},
      {"attention.head_count", &config->num_attention_heads},
      {"context_length", &config->max_position_embeddings},
  };
  // Mixtral's architecture is "llama", too.
  AHA_ASSIGN_OR_RETURN(const int64_t experts,
                       IntegerOr(file, key("expert_count"), 0));
  if (experts != 0) {
    return absl::UnimplementedError(absl::StrCat(
        key("expert_count"), " must be 0, got ", experts,
        ": import a mixture of experts from its Hugging Face directory"));
  }
  for (const auto& field : fields) {
    AHA_ASSIGN_OR_RETURN(*field.field, file.Integer(key(field.name)));
  }
  if (config->num_attention_heads < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(key("attention.head_count"), " must be at least 1, got ",
                     config->num_attention_heads));
  }
  AHA_ASSIGN_OR_RETURN(config->num_key_value_heads,
                       IntegerOr(file, key("attention.head_count_kv"),
                                 config->num_attention_heads));
  AHA_ASSIGN_OR_RETURN(
      config->head_dim,
      IntegerOr(file, key("attention.key_length"),
                config->hidden_size / config->num_attention_heads));
  AHA_ASSIGN_OR_RETURN(
      const int64_t rotated,
      IntegerOr(file, key("rope.dimension_count"), config->head_dim));
  if (rotated != config->head_dim) {
    return absl::UnimplementedError(
        absl::StrCat(key("rope.dimension_count"), " must be the head's size, ",
                     config->head_dim, ", got ", rotated));
  }
  return absl::OkStatus();
}

absl::Status ReadSpecialTokens(const GgufFile& file, ModelConfig* config) {
  AHA_ASSIGN_OR_RETURN(const int64_t bos,
                       IntegerOr(file, "tokenizer.ggml.bos_token_id", -1));
  config->bos_token_id = static_cast<int32_t>(std::max<int64_t>(bos, -1));
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    AHA_ASSIGN_OR_RETURN(const int64_t id, IntegerOr(file, key, -1));
    std::vector<int32_t>& ids = config->eos_token_ids;
    const int32_t narrow = static_cast<int32_t>(id);
    if (id < 0 || std::find(ids.begin(), ids.end(), narrow) != ids.end()) {
      continue;
    }
    if (id >= config->vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, " must be below the vocabulary's size, ",
                       config->vocab_size, ", got ", id));
    }
    ids.push_back(narrow);
  }
  return absl::OkStatus();
}

// Translates "model.layers.3.mlp.up_proj.weight" to "blk.3.ffn_up.weight".
std::string GgufName(absl::string_view model_type, absl::string_view name) {
  using Names = std::pair<const char*, const char*>;
  static constexpr Names kParts[] = {
      {"input_layernorm.weight", "attn_norm.weight"},
      {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},
      {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.q_proj.bias", "attn_q.bias"},
      {"self_attn.k_proj.bias", "attn_k.bias"},
      {"self_attn.v_proj.bias", "attn_v.bias"},
      {"self_attn.q_norm.weight", "attn_q_norm.weight"},
      {"self_attn.k_norm.weight", "attn_k_norm.weight"},
      {"self_attn.o_proj.weight", "attn_output.weight"},
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"},
  };
  static constexpr Names kPlainNorms[] = {
      {"post_attention_layernorm.weight", "ffn_norm.weight"},
  };
  static constexpr Names kGemmaNorms[] = {
      {"post_attention_layernorm.weight", "post_attention_norm.weight"},
      {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
      {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
  };
  if (name == "model.embed_tokens.weight") return "token_embd.weight";
  if (name == "model.norm.weight") return "output_norm.weight";
  if (name == "lm_head.weight") return "output.weight";
  absl::ConsumePrefix(&name, "model.layers.");
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(name, absl::MaxSplits('.', 1));
  const absl::Span<const Names> norms =
      model_type == "gemma3_text" ? absl::Span<const Names>(kGemmaNorms)
                                  : absl::Span<const Names>(kPlainNorms);
  for (const absl::Span<const Names> names :
       {absl::Span<const Names>(kParts), norms}) {
    for (const auto& [ours, theirs] : names) {
      if (parts.second == ours) {
        return absl::StrCat("blk.", parts.first, ".", theirs);
      }
    }
  }
  return std::string(name);
}

// Returns where in the file the row that belongs at `row` is. The rotary
// embedding pairs the two halves of a head. llama.cpp stores the rows of q and
// k with the halves alternating; Hugging Face keeps the halves apart.
int64_t SourceRow(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim;
  const int64_t in_head = row % head_dim;
  const int64_t half = in_head / (head_dim / 2);
  const int64_t pair = in_head % (head_dim / 2);
  return head * head_dim + 2 * pair + half;
}

absl::Status CopyTensor(const GgufFile& file, const ModelConfig& config,
                        const TensorInfo& info, Parameters* parameters) {
  AHA_ASSIGN_OR_RETURN(const Architecture* architecture, ArchitectureOf(file));
  const std::string name = GgufName(config.model_type, info.name);
  const GgufTensor* tensor = file.FindTensor(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " is missing"));
  }
  if (tensor->shape != info.shape) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " must have shape [", absl::StrJoin(info.shape, ","),
        "], got [", absl::StrJoin(tensor->shape, ","), "]"));
  }
  const bool rotated = architecture->alternating_halves &&
                       (absl::StrContains(name, ".attn_q.") ||
                        absl::StrContains(name, ".attn_k."));
  const float less =
      architecture->whole_gains && info.shape.size() == 1 ? 1 : 0;
  const int64_t cols = info.shape.back();
  std::vector<float> values(cols);
  for (int64_t row = 0; row < info.count / cols; ++row) {
    const int64_t from = rotated ? SourceRow(row, config.head_dim) : row;
    AHA_RETURN_IF_ERROR(
        file.Read(*tensor, from * cols, absl::MakeSpan(values)));
    const int64_t to = info.offset + row * cols;
    for (int64_t i = 0; i < cols; ++i) {
      if (!std::isfinite(values[i])) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", name, " must be finite, got ", values[i],
                         " at ", from * cols + i));
      }
      StoreElement(parameters->data(), to + i, values[i] - less,
                   parameters->dtype());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ConfigOfGguf(const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const Architecture* architecture, ArchitectureOf(file));
  const Keys key(file, *architecture);
  ModelConfig config;
  config.model_type = architecture->model_type;
  AHA_RETURN_IF_ERROR(ReadShape(key, &config));
  AHA_RETURN_IF_ERROR(ReadScaling(key, &config));
  if (config.model_type == "gemma3_text") {
    AHA_RETURN_IF_ERROR(ReadGemma3(key, &config));
  }
  const GgufTensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return absl::InvalidArgumentError(
        "tensor token_embd.weight is missing or does not have 2 dimensions");
  }
  config.vocab_size = embedding->shape[0];
  AHA_ASSIGN_OR_RETURN(config.rope_theta,
                       NumberOr(file, key("rope.freq_base"), 10000));
  AHA_ASSIGN_OR_RETURN(
      config.rms_norm_eps,
      NumberOr(file, key("attention.layer_norm_rms_epsilon"), 1e-5));
  config.tie_word_embeddings = file.FindTensor("output.weight") == nullptr;
  AHA_RETURN_IF_ERROR(ReadSpecialTokens(file, &config));
  AHA_RETURN_IF_ERROR(config.Validate());
  return config;
}

absl::StatusOr<Parameters> ParametersOfGguf(const GgufFile& file,
                                            const ModelConfig& config,
                                            DType dtype) {
  const auto layout = std::make_shared<const ParameterLayout>(config);
  absl::flat_hash_set<std::string> expected;
  for (const TensorInfo& info : layout->tensors()) {
    expected.insert(GgufName(config.model_type, info.name));
  }
  // A tensor that no part of our model reads means that we would compute the
  // model wrongly.
  for (const GgufTensor& tensor : file.tensors()) {
    if (!expected.contains(tensor.name)) {
      return absl::UnimplementedError(
          absl::StrCat("tensor ", Quote(tensor.name),
                       " must be one that a model of the family ",
                       config.model_type, " has; Aha supports no others"));
    }
  }
  Parameters parameters(layout, dtype);
  for (const TensorInfo& info : layout->tensors()) {
    AHA_RETURN_IF_ERROR(CopyTensor(file, config, info, &parameters));
  }
  return parameters;
}

}  // namespace aha
