// The subcommands of aha-model, a function each: it loads, computes and prints.
//
// Results go to stdout, everything else goes to stderr.  With Format::kJson
// stdout gets JSON only: one object, or one object a line from commands that
// answer many inputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace aha::cli {

enum class Format { kText, kJson };

// What all subcommands share.
struct ModelOptions {
  std::string directory;  // The model's; import: the source's.
  std::string dtype;      // "bf16", "fp32"; empty: the subcommand's default.
  Format format = Format::kText;
  int threads = 0;  // 0: all cores.
};

struct ConvertOptions {
  std::string destination;
};

// How a text becomes what the model reads.
struct ChatFlags {
  bool chat = false;   // The text is the message of a user.
  std::string system;  // Used in conversations without a system message.
  std::string kwargs;  // Further variables of the chat template, JSON.
};

struct TokenizeOptions {
  std::string text;
  ChatFlags chat;
};

struct GenerateOptions {
  std::string prompt;        // One of these two.
  std::string prompts_path;  // JSON lines.
  ChatFlags chat;
  int32_t samples = 1;
  int32_t max_new_tokens = 256;
  double temperature = 1;
  double top_p = 1;
  int32_t top_k = 0;
  uint64_t seed = 0;
};

struct ScoreOptions {
  std::string input_path;  // JSON lines; "-": stdin.
  double temperature = 1;
};

struct LossOptionsText {
  std::string trajectories_path;
  std::string algorithm;
  std::vector<std::string> settings;  // "key=value".
  std::string gradients_path;         // Empty: no gradient is computed.
};

absl::Status Inspect(const ModelOptions& model);
absl::Status Import(const ModelOptions& model, const ConvertOptions& options);
absl::Status Export(const ModelOptions& model, const ConvertOptions& options);
absl::Status Tokenize(const ModelOptions& model,
                      const TokenizeOptions& options);
absl::Status Generate(const ModelOptions& model,
                      const GenerateOptions& options);
absl::Status Score(const ModelOptions& model, const ScoreOptions& options);
absl::Status Loss(const ModelOptions& model, const LossOptionsText& options);
absl::Status CertifyModel(const ModelOptions& model);

}  // namespace aha::cli
