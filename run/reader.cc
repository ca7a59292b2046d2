#include "run/reader.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/status.h"
#include "run/layout.h"
#include "run/lines.h"

namespace aha::run {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxJobFile = 1 << 24;
constexpr uint64_t kMaxStatusFile = 1 << 24;

enum class Kind { kAny, kFile, kFolder };

std::vector<std::string> SortedNames(const std::string& directory, Kind kind) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    const fs::file_type type = it->symlink_status(ignored).type();
    const bool wanted =
        kind == Kind::kAny ||
        (kind == Kind::kFile && type == fs::file_type::regular) ||
        (kind == Kind::kFolder && type == fs::file_type::directory);
    if (wanted) names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool IsEmpty(const std::string& path) {
  std::error_code error;
  return !fs::exists(path, error) || fs::is_empty(path, error);
}

// The value of a top-level "name:" of a YAML file, without a YAML parser: a
// job list must not fail because one job file is damaged.
std::string TopLevelName(absl::string_view yaml) {
  for (absl::string_view line : absl::StrSplit(yaml, '\n')) {
    if (!absl::ConsumePrefix(&line, "name:")) continue;
    line = absl::StripAsciiWhitespace(line);
    if (line.size() >= 2 && (line.front() == '"' || line.front() == '\'')) {
      line = line.substr(1, line.find(line.front(), 1) - 1);
    }
    return std::string(line);
  }
  return "";
}

// Adds what the metrics and the evals show of each stage of a summary.
void AddOutcomes(const std::vector<StepMetrics>& steps, const Summary& summary,
                 JobView* job) {
  for (StageView& stage : job->stages) {
    const auto last = std::find_if(
        steps.rbegin(), steps.rend(),
        [&stage](const StepMetrics& step) { return step.stage == stage.name; });
    if (last != steps.rend()) stage.metrics = last->Numbers();
    for (const auto& eval : {summary.before, summary.after}) {
      if (!eval.has_value() || eval->stage != stage.name) continue;
      stage.metrics["pass_at_1"] = eval->pass_at_1;
      stage.metrics["mean_completion_length"] = eval->mean_completion_length;
    }
  }
}

// Adds what the metrics show of a job that left no summary.
void AddMetrics(const std::vector<StepMetrics>& steps, JobView* job) {
  for (const StepMetrics& step : steps) {
    if (job->stages.empty() || job->stages.back().name != step.stage) {
      job->stages.emplace_back().name = step.stage;
    }
    StageView& stage = job->stages.back();
    stage.metrics = step.Numbers();
    stage.steps_done = step.step + 1;
    const double seconds = stage.Metric("step_time").value_or(0);
    stage.seconds += seconds;
    job->seconds += seconds;
  }
  job->current_stage = job->stages.empty() ? 0 : job->stages.size() - 1;
}

}  // namespace

std::string RunReader::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

bool RunReader::HoldsRun() const {
  return PathExists(File(kJobFile)) || PathExists(File(kSummaryFile));
}

bool RunReader::HoldsResults() const {
  for (const char* name :
       {kMetricsFile, kRolloutsFolder, kCheckpointsFolder, kDatasetsFolder}) {
    if (!IsEmpty(File(name))) return true;
  }
  const absl::StatusOr<Summary> summary = ReadSummary();
  if (!summary.ok()) return !absl::IsNotFound(summary.status());
  // A job that failed before its first step leaves a summary, too.
  return summary->steps > 0 || summary->before.has_value() ||
         summary->after.has_value() || summary->state == JobState::kSucceeded;
}

std::string RunReader::JobName() const {
  const absl::StatusOr<std::string> yaml =
      ReadWholeFile(File(kJobFile), kMaxJobFile);
  return yaml.ok() ? TopLevelName(*yaml) : "";
}

absl::StatusOr<Endpoint> RunReader::ReadEndpoint() const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File(kEndpointFile), kMaxStatusFile));
  return ParseEndpoint(text, File(kEndpointFile));
}

absl::StatusOr<std::vector<ProcessEntry>> RunReader::ReadProcesses() const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File(kProcessesFile), kMaxStatusFile));
  return ParseProcesses(text, File(kProcessesFile));
}

absl::StatusOr<Summary> RunReader::ReadSummary() const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File(kSummaryFile), kMaxStatusFile));
  return ParseSummary(text, File(kSummaryFile));
}

absl::StatusOr<std::vector<StepMetrics>> RunReader::ReadMetrics() const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File(kMetricsFile)));
  std::vector<StepMetrics> steps;
  for (const Json& line : ParseJsonLines(text, nullptr)) {
    steps.push_back(ParseMetrics(line));
  }
  return steps;
}

absl::StatusOr<std::vector<Event>> RunReader::ReadEvents() const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File(kEventsFile)));
  std::vector<Event> events;
  for (const Json& line : ParseJsonLines(text, nullptr)) {
    events.push_back(ParseEvent(line));
  }
  return events;
}

std::vector<RolloutRef> RunReader::Rollouts() const {
  return ListRollouts(File(kRolloutsFolder));
}

std::vector<std::string> RunReader::Checkpoints() const {
  std::vector<std::pair<fs::file_time_type, std::string>> complete;
  for (const std::string& step :
       SortedNames(File(kCheckpointsFolder), Kind::kAny)) {
    const std::string name = absl::StrCat(kCheckpointsFolder, "/", step);
    std::error_code error;
    const auto written = fs::last_write_time(
        absl::StrCat(File(name), "/", kManifestFile), error);
    if (!error) complete.emplace_back(written, name);
  }
  // Stages have names of their own; only the time orders them.
  std::sort(complete.begin(), complete.end());
  std::vector<std::string> names;
  for (auto& [written, name] : complete) names.push_back(std::move(name));
  return names;
}

std::vector<std::string> RunReader::LogNames() const {
  std::vector<std::string> names;
  for (absl::string_view name : SortedNames(File(kLogsFolder), Kind::kAny)) {
    if (absl::ConsumeSuffix(&name, kLogSuffix)) names.emplace_back(name);
  }
  return names;
}

std::vector<std::string> RunReader::PublicFiles() const {
  std::vector<std::string> shown;
  const auto add = [&](const std::string& folder, absl::string_view suffix) {
    for (const std::string& name : SortedNames(File(folder), Kind::kFile)) {
      if (absl::EndsWith(name, suffix)) {
        shown.push_back(absl::StrCat(folder, "/", name));
      }
    }
  };
  for (const std::string& name : SortedNames(path_, Kind::kFile)) {
    for (const char* known :
         {kJobFile, kSummaryFile, kMetricsFile, kEventsFile}) {
      if (name == known) shown.push_back(name);
    }
  }
  for (const std::string& step :
       SortedNames(File(kCheckpointsFolder), Kind::kFolder)) {
    add(absl::StrCat(kCheckpointsFolder, "/", step), kManifestFile);
  }
  add(kDatasetsFolder, kLinesSuffix);
  add(kLogsFolder, kLogSuffix);
  add(kRolloutsFolder, kLinesSuffix);
  std::sort(shown.begin(), shown.end());
  return shown;
}

// A coordinator that ends in order removes its endpoint: one that is newer
// than the summary belongs to a later attempt, which was killed.
bool RunReader::StartedAfterSummary() const {
  std::error_code no_endpoint;
  std::error_code no_summary;
  const auto started = fs::last_write_time(File(kEndpointFile), no_endpoint);
  const auto ended = fs::last_write_time(File(kSummaryFile), no_summary);
  return !no_endpoint && !no_summary && started > ended;
}

JobView RunReader::View() const {
  const absl::StatusOr<Summary> summary = ReadSummary();
  const std::vector<StepMetrics> steps =
      ReadMetrics().value_or(std::vector<StepMetrics>());
  JobView job;
  if (summary.ok() && !StartedAfterSummary()) {
    job = summary->View();
    AddOutcomes(steps, *summary, &job);
  } else {
    job.name = JobName();
    job.state = JobState::kInterrupted;
    AddMetrics(steps, &job);
  }
  job.run_directory = path_;
  return job;
}

std::vector<RunReader> FindRuns(const std::string& root) {
  std::vector<RunReader> runs;
  for (const std::string& name : SortedNames(root, Kind::kAny)) {
    RunReader run(absl::StrCat(root, "/", name));
    if (run.HoldsRun()) runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace aha::run
