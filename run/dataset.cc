#include "run/dataset.h"

#include "run/fields.h"

namespace aha::run {

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& line, DatasetLine*) {
  fields("prompt_id", line.prompt_id);
  fields("prompt", line.prompt);
  fields("reference", line.reference);
  fields("completion", line.completion);
  fields("token_ids", line.token_ids);
  fields("prompt_token_ids", line.prompt_token_ids);
  fields("logprobs", line.logprobs);
  fields("finish_reason", line.finish_reason);
  fields("reward", line.reward);
  fields("rewards", line.rewards);
  fields("sample", line.sample);
  fields("policy_version", line.policy_version);
}

std::string ToText(const DatasetLine& line) { return ToLine(line) + "\n"; }

DatasetLine ParseDatasetLine(const Json& line) {
  return FromJson<DatasetLine>(line);
}

}  // namespace aha::run
