#include "cli/report/run_directory.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/file_io.h"
#include "base/status.h"

namespace aha::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> SortedNames(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::optional<EvalResult> ReadEval(const Json& summary, const char* key) {
  const Json& eval = MemberOrNull(MemberOrNull(summary, "eval"), key);
  if (!eval.is_object()) return std::nullopt;
  EvalResult result;
  result.stage = TextOr(eval, "stage", "");
  result.prompts = NumberOr(eval, "prompts", 0);
  result.pass_at_1 = NumberOr(eval, "pass_at_1", 0);
  result.mean_completion_length = NumberOr(eval, "mean_completion_length", 0);
  return result;
}

uint64_t CountOr0(const Json& object, absl::string_view key) {
  const double value = NumberOr(object, key, 0);
  return value > 0 && value < 1.8e19 ? static_cast<uint64_t>(value) : 0;
}

StageView ReadStage(const Json& json) {
  StageView stage;
  stage.name = TextOr(json, "name", "");
  stage.type = TextOr(json, "type", "");
  stage.seconds = NumberOr(json, "seconds", 0);
  stage.steps_done = CountOr0(json, "steps_done");
  stage.steps_total = CountOr0(json, "steps_total");
  if (stage.steps_done == 0) stage.steps_done = CountOr0(json, "steps");
  const Json& done = MemberOrNull(json, "done");
  stage.done = done.is_boolean() && done.get<bool>();
  const Json& metrics = MemberOrNull(json, "metrics");
  if (metrics.is_object()) {
    for (const auto& [name, value] : metrics.items()) {
      if (value.is_number()) stage.metrics[name] = value.get<double>();
    }
  }
  return stage;
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

// Adds to the stages of a summary what the metrics and the evals tell of each.
void AddOutcomes(const std::vector<StepMetrics>& rows,
                 const RunSummary& summary, JobView* job) {
  for (StageView& stage : job->stages) {
    for (const StepMetrics& row : rows) {
      const auto named = row.texts.find("stage");
      if (named != row.texts.end() && named->second == stage.name) {
        stage.metrics = row.numbers;
      }
    }
    for (const auto& eval : {summary.before, summary.after}) {
      if (!eval || eval->stage != stage.name) continue;
      stage.metrics["pass_at_1"] = eval->pass_at_1;
      stage.metrics["mean_completion_length"] = eval->mean_completion_length;
    }
  }
}

// Adds what the metrics tell to a job that left no summary.
void AddMetrics(const std::vector<StepMetrics>& rows, JobView* job) {
  for (const StepMetrics& row : rows) {
    const auto named = row.texts.find("stage");
    const std::string name = named == row.texts.end() ? "" : named->second;
    if (job->stages.empty() || job->stages.back().name != name) {
      job->stages.emplace_back().name = name;
    }
    StageView& stage = job->stages.back();
    stage.metrics = row.numbers;
    if (const auto step = row.numbers.find("step");
        step != row.numbers.end() && step->second >= 0) {
      stage.steps_done = static_cast<uint64_t>(step->second) + 1;
    }
    if (const auto time = row.numbers.find("step_time");
        time != row.numbers.end()) {
      stage.seconds += time->second;
      job->seconds += time->second;
    }
  }
  job->current_stage = job->stages.empty() ? 0 : job->stages.size() - 1;
}

}  // namespace

bool Endpoint::OnThisHost() const {
  char name[HOST_NAME_MAX + 1] = {};
  return host.empty() || gethostname(name, sizeof(name) - 1) != 0 ||
         host == name;
}

std::string RunDirectory::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

bool RunDirectory::HoldsRun() const {
  return Exists(File("job.yaml")) || Exists(File("summary.json"));
}

std::string RunDirectory::JobName() const {
  const absl::StatusOr<std::string> yaml =
      ReadWholeFile(File("job.yaml"), 1 << 24);
  return yaml.ok() ? TopLevelName(*yaml) : "";
}

absl::StatusOr<Endpoint> RunDirectory::ReadEndpoint() const {
  AHA_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(File("endpoint.json")));
  Endpoint endpoint;
  endpoint.address = TextOr(json, "address", "");
  endpoint.epoch = CountOr0(json, "epoch");
  endpoint.pid = static_cast<pid_t>(CountOr0(json, "pid"));
  endpoint.host = TextOr(json, "host", "");
  if (endpoint.address.empty()) {
    return absl::DataLossError(
        absl::StrCat(File("endpoint.json"), " has no address"));
  }
  return endpoint;
}

absl::StatusOr<std::vector<ProcessEntry>> RunDirectory::ReadProcesses() const {
  AHA_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(File("processes.json")));
  std::vector<ProcessEntry> processes;
  if (!json.is_array()) {
    return absl::DataLossError(
        absl::StrCat(File("processes.json"), " is not an array"));
  }
  for (const Json& entry : json) {
    processes.push_back({TextOr(entry, "name", ""), TextOr(entry, "role", ""),
                         static_cast<pid_t>(CountOr0(entry, "pid"))});
  }
  return processes;
}

absl::StatusOr<RunSummary> RunDirectory::ReadSummary() const {
  AHA_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(File("summary.json")));
  if (!json.is_object()) {
    return absl::DataLossError(
        absl::StrCat(File("summary.json"), " is not an object"));
  }
  RunSummary summary;
  JobView& job = summary.job;
  job.name = TextOr(json, "job", "");
  job.state = ParseState(TextOr(json, "state", ""));
  job.seconds = NumberOr(json, "seconds", 0);
  job.checksum = TextOr(json, "checksum", "");
  job.weights_checksum = TextOr(json, "weights_checksum", "");
  job.problem = TextOr(json, "problem", "");
  job.run_directory = path_;
  const Json& stages = MemberOrNull(json, "stages");
  if (stages.is_array()) {
    for (const Json& stage : stages) job.stages.push_back(ReadStage(stage));
  }
  job.current_stage = job.stages.empty() ? 0 : job.stages.size() - 1;
  const Json& exact = MemberOrNull(json, "exact");
  job.tokens_compared = CountOr0(exact, "tokens_compared");
  job.tokens_differing = CountOr0(exact, "tokens_differing");
  job.rollout_tokens_per_second =
      NumberOr(json, "rollout_tokens_per_second", 0);
  summary.steps = NumberOr(json, "steps", 0);
  summary.before = ReadEval(json, "before");
  summary.after = ReadEval(json, "after");
  summary.train_tokens_per_second =
      NumberOr(json, "train_tokens_per_second", 0);
  summary.peak_rss_bytes = CountOr0(json, "peak_rss_bytes");
  return summary;
}

std::vector<Json> ParseJsonLines(absl::string_view text, int* broken) {
  std::vector<Json> values;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    absl::StatusOr<Json> value = ParseJson(line, "line");
    if (value.ok() && value->is_object()) {
      values.push_back(*std::move(value));
    } else if (broken != nullptr) {
      ++*broken;
    }
  }
  return values;
}

absl::StatusOr<std::vector<StepMetrics>> RunDirectory::ReadMetrics(
    int* broken) const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File("metrics.jsonl")));
  std::vector<StepMetrics> rows;
  for (const Json& json : ParseJsonLines(text, broken)) {
    StepMetrics& row = rows.emplace_back();
    for (const auto& [name, value] : json.items()) {
      if (value.is_number()) row.numbers[name] = value.get<double>();
      if (value.is_string()) row.texts[name] = value.get<std::string>();
    }
  }
  return rows;
}

StageCurves RunDirectory::ReadCurves() const {
  StageCurves curves;
  const absl::StatusOr<std::vector<StepMetrics>> rows = ReadMetrics();
  if (!rows.ok()) return curves;
  for (const StepMetrics& row : *rows) {
    const auto named = row.texts.find("stage");
    const std::string stage = named == row.texts.end() ? "" : named->second;
    if (stage != curves.stage) curves = {stage, {}, {}};
    const auto add = [&row](const char* key, std::vector<double>* curve) {
      const auto found = row.numbers.find(key);
      if (found != row.numbers.end()) curve->push_back(found->second);
    };
    add("reward", &curves.reward);
    add("completions/mean_length", &curves.length);
  }
  return curves;
}

absl::StatusOr<std::vector<Json>> RunDirectory::ReadEvents() const {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(File("events.jsonl")));
  return ParseJsonLines(text, nullptr);
}

std::vector<std::string> RunDirectory::Checkpoints() const {
  std::vector<std::pair<fs::file_time_type, std::string>> complete;
  for (const std::string& name : SortedNames(File("checkpoints"))) {
    const std::string path = File(absl::StrCat("checkpoints/", name));
    std::error_code error;
    const auto written = fs::last_write_time(path + "/manifest.json", error);
    if (!error) complete.emplace_back(written, path);
  }
  // Stages have names of their own; only the time orders them.
  std::sort(complete.begin(), complete.end());
  std::vector<std::string> paths;
  for (auto& [written, path] : complete) paths.push_back(std::move(path));
  return paths;
}

std::vector<std::string> RunDirectory::LogNames() const {
  std::vector<std::string> names;
  for (absl::string_view name : SortedNames(File("logs"))) {
    if (absl::ConsumeSuffix(&name, ".log")) names.emplace_back(name);
  }
  return names;
}

// A coordinator that ends in order removes its endpoint: one that is newer
// than the summary belongs to a later attempt, which was killed.
bool RunDirectory::StartedAfterSummary() const {
  std::error_code no_endpoint;
  std::error_code no_summary;
  const auto started = fs::last_write_time(File("endpoint.json"), no_endpoint);
  const auto ended = fs::last_write_time(File("summary.json"), no_summary);
  return !no_endpoint && !no_summary && started > ended;
}

JobView RunDirectory::ViewFromFiles() const {
  absl::StatusOr<RunSummary> summary = ReadSummary();
  const absl::StatusOr<std::vector<StepMetrics>> rows = ReadMetrics();
  if (summary.ok() && !StartedAfterSummary()) {
    JobView ended = summary->job;
    AddOutcomes(rows.ok() ? *rows : std::vector<StepMetrics>(), *summary,
                &ended);
    return ended;
  }
  JobView job;
  job.name = JobName();
  job.state = JobState::kInterrupted;
  job.run_directory = path_;
  if (rows.ok()) AddMetrics(*rows, &job);
  return job;
}

absl::Status RunDirectory::AppendEvent(absl::string_view event,
                                       const Json& fields) const {
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  Json line = {{"time", now}, {"event", std::string(event)}};
  for (const auto& [key, value] : fields.items()) line[key] = value;
  // The coordinator appends to the same file.
  return AppendLine(File("events.jsonl"),
                    line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

bool ProcessIsAlive(pid_t pid) {
  if (pid <= 0) return false;
  if (::kill(pid, 0) != 0 && errno != EPERM) return false;
  // A zombie holds no resource any more; only its parent can remove it.
  const absl::StatusOr<std::string> stat =
      ReadWholeFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return false;
  const size_t name_end = stat->rfind(')');
  return name_end == std::string::npos || name_end + 2 >= stat->size() ||
         (*stat)[name_end + 2] != 'Z';
}

std::string ProgramOf(pid_t pid) {
  std::error_code error;
  const fs::path program =
      fs::read_symlink(absl::StrCat("/proc/", pid, "/exe"), error);
  return error ? "" : program.filename().string();
}

std::vector<RunDirectory> FindRuns(const std::string& root) {
  std::vector<RunDirectory> runs;
  for (const std::string& name : SortedNames(root)) {
    RunDirectory run(absl::StrCat(root, "/", name));
    if (run.HoldsRun()) runs.push_back(std::move(run));
  }
  return runs;
}

absl::StatusOr<RunDirectory> ResolveRun(const std::string& name,
                                        const std::string& directory,
                                        const std::string& root) {
  if (!directory.empty()) {
    RunDirectory run(directory);
    if (run.HoldsRun()) return run;
    return absl::NotFoundError(
        absl::StrCat("no run in ", directory, " (it has no job.yaml)"));
  }
  if (!name.empty()) {
    for (const std::string& path : {absl::StrCat(root, "/", name), name}) {
      RunDirectory run(path);
      if (run.HoldsRun()) return run;
    }
    return absl::NotFoundError(absl::StrCat(
        "job \"", name, "\" not found below ", root,
        "/; `ahactl job list` shows what is there, --dir names a directory"));
  }
  std::vector<RunDirectory> runs = FindRuns(root);
  if (runs.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no run below ", root, "/; start one with `ahactl run JOB.yaml`"));
  }
  const auto touched = [](const RunDirectory& run) {
    std::error_code error;
    return fs::last_write_time(run.path(), error);
  };
  return *std::max_element(
      runs.begin(), runs.end(),
      [&](const auto& a, const auto& b) { return touched(a) < touched(b); });
}

}  // namespace aha::cli
