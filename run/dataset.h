// datasets/<stage>.jsonl: the completions that a stage of type `sample` made, a
// line each, in order of prompt and sample.
//
// The coordinator writes the lines.  Their bytes are a function of the job, so
// the order of the keys and the digits of the numbers are part of the format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/lenient_json.h"

namespace aha::run {

// The names are those of rollouts.h.
struct DatasetLine {
  std::string prompt_id = {};
  std::string prompt = {};
  std::string reference = {};
  std::string completion = {};
  std::vector<int32_t> token_ids = {};         // Tokens of the completion.
  std::vector<int32_t> prompt_token_ids = {};  // What the model was given.
  std::vector<float> logprobs = {};            // One for each of token_ids.
  std::string finish_reason = {};              // "stop" or "length".
  std::optional<double> reward = {};  // Nothing in a job without rewards.
  std::vector<std::pair<std::string, double>> rewards = {};  // By component.
  uint64_t sample = 0;  // Which of the completions of the prompt.
  uint64_t policy_version = 0;
};

// With the newline.  Numbers read back as the same bits.
std::string ToText(const DatasetLine& line);
DatasetLine ParseDatasetLine(const Json& line);

}  // namespace aha::run
