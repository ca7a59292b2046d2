// What aha-model's subcommands share: loading, input lines, errors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/thread_pool.h"
#include "cli/term/json.h"
#include "device/dtype.h"
#include "model/config.h"
#include "model/parameters.h"
#include "model/policy.h"
#include "text/tokenizer.h"
#include "tools/aha_model/aha_model_commands.h"

namespace aha::cli {

// An error of the command line rather than of a file: exit code 2.
absl::Status UsageError(absl::string_view message);
bool IsUsageError(const absl::Status& status);

// "bf16", "fp32"; `absent` if the text is empty.
absl::StatusOr<DType> ParseDType(const std::string& text, DType absent);

// The number format to compute in: --dtype, or the one that suits this CPU.
// Called before anything computes, since a wrong AHA_CPU_ISA is an error here
// and would end the process there.
absl::StatusOr<DType> ComputeDType(const ModelOptions& options);

// NOT_FOUND unless it is a directory.
absl::Status CheckModelDirectory(const std::string& directory);

// All cores unless --threads says otherwise.
int ThreadsOf(const ModelOptions& options);

// The most tokens that are scored together.  The log-probabilities do not
// depend on it.
inline constexpr int64_t kBatchTokens = 4096;

// A model ready to compute.
struct LoadedModel {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Policy> policy;
};
// With a tokenizer the end of a turn of its chat template ends a completion.
absl::StatusOr<LoadedModel> LoadModel(const ModelOptions& options,
                                      PolicyUse use,
                                      const Tokenizer* tokenizer = nullptr);
// The configuration of the directory with that end.
absl::StatusOr<ModelConfig> LoadConfig(const std::string& directory,
                                       const Tokenizer& tokenizer);

// Calls `use` with the JSON object of each line that is not empty.  An error of
// the line or of `use` names the file and the line.  "-" is stdin.
absl::Status ForEachLine(
    const std::string& path,
    const std::function<absl::Status(const Json& object)>& use);

// The value, shortened, for messages.
std::string Show(const Json& value);

// The member `key`, an array of token ids of the vocabulary; INVALID_ARGUMENT
// with rule and value otherwise.
absl::StatusOr<std::vector<int32_t>> TokenIds(const Json& object,
                                              const char* key,
                                              int64_t vocab_size);
absl::StatusOr<std::vector<float>> Floats(const Json& object, const char* key,
                                          size_t count);

// Prints to stdout.
void PrintLine(absl::string_view text);
void PrintJsonLine(const Json& json);

}  // namespace aha::cli
