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

// An error in what the user typed rather than in a file: exit code 2.
absl::Status UsageError(absl::string_view message);
bool IsUsageError(const absl::Status& status);

// "bf16", "fp32"; `absent` if the text is empty.
absl::StatusOr<DType> ParseDType(const std::string& text, DType absent);

// The format to compute in: --dtype, or what suits this CPU.  Before anything
// computes: there a wrong AHA_CPU_ISA would end the process.
absl::StatusOr<DType> ComputeDType(const ModelOptions& options);

// NOT_FOUND unless it is a directory.
absl::Status CheckModelDirectory(const std::string& directory);

// All cores unless --threads says otherwise.
int ThreadsOf(const ModelOptions& options);

// Scored together at most; the log-probabilities do not depend on it.
inline constexpr int64_t kBatchTokens = 4096;

// A model ready to compute.
struct LoadedModel {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Policy> policy;
};
absl::StatusOr<LoadedModel> LoadModel(const ModelOptions& options,
                                      PolicyUse use);

// Calls `use` with every non-empty line's JSON object; an error of either
// names file and line.  "-" is stdin.
absl::Status ForEachLine(
    const std::string& path,
    const std::function<absl::Status(const Json& object)>& use);

// For messages: the value, short.
std::string Show(const Json& value);

// The member `key`, an array of token ids of the vocabulary; INVALID_ARGUMENT
// with rule and value otherwise.
absl::StatusOr<std::vector<int32_t>> TokenIds(const Json& object,
                                              const char* key,
                                              int64_t vocab_size);
absl::StatusOr<std::vector<float>> Floats(const Json& object, const char* key,
                                          size_t count);

// To stdout.
void PrintLine(absl::string_view text);
void PrintJsonLine(const Json& json);

}  // namespace aha::cli
