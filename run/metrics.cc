#include "run/metrics.h"

#include "run/fields.h"

namespace aha::run {

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& metrics, StepMetrics*) {
  fields("step", metrics.step);
  fields("stage", metrics.stage);
  fields("job_step", metrics.job_step);
  fields("time", metrics.time);
  fields("policy_version", metrics.policy_version);
  fields("weights_checksum", metrics.weights_checksum);
  fields.Rest(metrics.values);
}

std::map<std::string, double> StepMetrics::Numbers() const {
  std::map<std::string, double> numbers = values;
  numbers["step"] = static_cast<double>(step);
  numbers["policy_version"] = static_cast<double>(policy_version);
  return numbers;
}

std::string MetricsLine(const StepMetrics& metrics) { return ToLine(metrics); }

StepMetrics ParseMetrics(const Json& line) {
  return FromJson<StepMetrics>(line);
}

StepMetrics ParseMetricsLine(absl::string_view line) {
  return ParseMetrics(ParseStoredJson(line, "metrics").value_or(nullptr));
}

std::vector<double> CurveOf(const std::vector<StepMetrics>& steps,
                            absl::string_view stage, const std::string& name) {
  std::vector<double> curve;
  for (const StepMetrics& step : steps) {
    const auto found = step.values.find(name);
    if (step.stage == stage && found != step.values.end()) {
      curve.push_back(found->second);
    }
  }
  return curve;
}

}  // namespace aha::run
