// What aha-model does, a function a subcommand: load, compute, print.
//
// Results go to stdout, everything else to stderr.  With Format::kJson stdout
// is JSON only: one object, or for commands that answer many inputs one object
// a line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace aha::cli {

enum class Format { kText, kJson };

// Shared by all subcommands.
struct ModelOptions {
  std::string directory;  // Or import's source.
  std::string dtype;      // "bf16", "fp32"; empty: the subcommand's default.
  Format format = Format::kText;
  int threads = 0;  // 0: all cores.
};

struct ConvertOptions {
  std::string destination;
};

struct TokenizeOptions {
  std::string text;
  bool chat = false;  // `text` is a user's message.
};

struct GenerateOptions {
  std::string prompt;        // One of these two.
  std::string prompts_path;  // JSON lines.
  bool chat = false;
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
  std::string gradients_path;         // Empty: none are computed.
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
