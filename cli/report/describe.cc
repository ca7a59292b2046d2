#include "cli/report/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/term/follow.h"
#include "cli/term/table.h"

namespace aha::cli {
namespace {

constexpr size_t kEventsShown = 5;

void AddFacts(const JobView& job, const RunDirectory& run,
              std::vector<std::string>* lines) {
  const auto fact = [lines](absl::string_view label, const std::string& text) {
    if (text.empty()) return;
    lines->push_back(absl::StrCat(PadRight(label, 18), OneLine(text)));
  };
  fact("Name", job.name);
  fact("State", std::string(StateName(job.state)));
  fact("Problem", job.problem);
  fact("Time", FormatSeconds(job.seconds));
  fact("Run directory", run.path());
  fact("Checksum", job.checksum);
  fact("Weights checksum", job.weights_checksum);
  if (job.tokens_compared > 0) {
    fact("Exactness",
         absl::StrCat(FormatCount(job.tokens_differing), " of ",
                      FormatCount(job.tokens_compared), " tokens differ"));
  }
  if (job.rollout_tokens_per_second > 0) {
    fact("Sampling",
         absl::StrFormat("%.0f tokens/s", job.rollout_tokens_per_second));
  }
  for (const std::string& wait : job.waits) fact("Waits", wait);
}

std::string StageTable(const JobView& job) {
  Table table({"STAGE", "TYPE", "STEPS", "TIME", "REWARD", "PASS@1", "LENGTH"});
  for (const StageView& stage : job.stages) {
    const auto reward = stage.Metric("reward");
    const auto accuracy = AccuracyOf(stage);
    const auto length = LengthOf(stage);
    table.Row({stage.name, stage.type,
               stage.steps_total > 0
                   ? absl::StrCat(stage.steps_done, "/", stage.steps_total)
                   : absl::StrCat(stage.steps_done),
               FormatSeconds(stage.seconds),
               reward ? absl::StrFormat("%.3f", *reward) : "",
               accuracy ? FormatPercent(*accuracy) : "",
               length ? absl::StrFormat("%.1f", *length) : ""});
  }
  return table.Text();
}

void AddSection(absl::string_view title, absl::string_view text,
                std::vector<std::string>* lines) {
  if (text.empty()) return;
  lines->emplace_back();
  lines->emplace_back(title);
  for (absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    lines->push_back(absl::StrCat("  ", line));
  }
}

std::string ProcessTable(const RunDirectory& run) {
  const absl::StatusOr<std::vector<ProcessEntry>> processes =
      run.ReadProcesses();
  if (!processes.ok() || processes->empty()) return "";
  Table table({"PROCESS", "ROLE", "PID", "ALIVE"});
  for (const ProcessEntry& process : *processes) {
    table.Row({process.name, process.role, absl::StrCat(process.pid),
               ProcessIsAlive(process.pid) ? "yes" : "no"});
  }
  return table.Text();
}

std::string LastEvents(const RunDirectory& run) {
  const absl::StatusOr<std::vector<Json>> events = run.ReadEvents();
  if (!events.ok()) return "";
  std::string text;
  const size_t begin = events->size() - std::min(events->size(), kEventsShown);
  for (size_t i = begin; i < events->size(); ++i) {
    absl::StrAppend(&text,
                    EventLine((*events)[i].dump(
                        -1, ' ', false, Json::error_handler_t::replace)),
                    "\n");
  }
  return text;
}

}  // namespace

std::string JobTable(const std::vector<JobView>& jobs) {
  Table table({"NAME", "STATE", "STAGE", "STEP", "PASS@1", "TIME", "CHECKSUM",
               "DIRECTORY"});
  for (const JobView& job : jobs) {
    const StageView* stage = job.Current();
    const auto accuracy = stage ? AccuracyOf(*stage) : std::nullopt;
    std::string step;
    if (stage != nullptr) {
      step = absl::StrCat(stage->steps_done);
      if (stage->steps_total > 0) {
        absl::StrAppend(&step, "/", stage->steps_total);
      }
    }
    table.Row({job.name, std::string(StateName(job.state)),
               stage ? stage->name : "", step,
               accuracy ? FormatPercent(*accuracy) : "",
               FormatSeconds(job.seconds), job.checksum.substr(0, 12),
               job.run_directory});
  }
  return table.Text();
}

std::string MemberTable(const std::vector<MemberView>& members) {
  Table table(
      {"NAME", "ROLE", "STATE", "SEEN", "LEASES", "TOKENS/S", "WAITING_FOR"});
  for (const MemberView& member : members) {
    table.Row({member.name, member.role, member.draining ? "draining" : "alive",
               FormatSeconds(member.last_seen_seconds),
               absl::StrCat(member.leases),
               member.tokens_per_second > 0
                   ? absl::StrFormat("%.0f", member.tokens_per_second)
                   : "",
               member.waiting_for});
  }
  return table.Text();
}

std::vector<std::string> DescribeText(const JobView& job,
                                      const std::vector<MemberView>& members,
                                      const RunDirectory& run,
                                      const Style& style) {
  std::vector<std::string> lines;
  AddFacts(job, run, &lines);
  if (const absl::StatusOr<RunSummary> summary = run.ReadSummary();
      summary.ok()) {
    const auto eval = [&lines](absl::string_view label,
                               const std::optional<EvalResult>& result) {
      if (!result) return;
      lines.push_back(absl::StrCat(
          PadRight(label, 18), FormatPercent(result->pass_at_1), " pass@1, ",
          absl::StrFormat("%.1f tokens, %.0f prompts",
                          result->mean_completion_length, result->prompts)));
    };
    eval("Before", summary->before);
    eval("After", summary->after);
    if (summary->peak_rss_bytes > 0) {
      lines.push_back(absl::StrCat(PadRight("Peak memory", 18),
                                   FormatBytes(summary->peak_rss_bytes)));
    }
  }
  if (!job.stages.empty()) AddSection("Stages", StageTable(job), &lines);
  if (!members.empty()) AddSection("Members", MemberTable(members), &lines);
  AddSection("Processes", ProcessTable(run), &lines);
  AddSection("Checkpoints", absl::StrJoin(run.Checkpoints(), "\n"), &lines);
  AddSection("Last events", LastEvents(run), &lines);
  for (std::string& line : lines) {
    line = Ellipsize(line, std::max(style.width, 60), style.glyphs);
  }
  return lines;
}

Json DescribeJson(const JobView& job, const std::vector<MemberView>& members,
                  const RunDirectory& run) {
  Json json = ToJson(job);
  if (absl::StatusOr<Json> summary = ReadJsonFile(run.File("summary.json"));
      summary.ok()) {
    json["summary"] = *std::move(summary);
  }
  json["members"] = Json::array();
  for (const MemberView& member : members) {
    json["members"].push_back(ToJson(member));
  }
  json["processes"] = Json::array();
  if (const auto processes = run.ReadProcesses(); processes.ok()) {
    for (const ProcessEntry& process : *processes) {
      json["processes"].push_back({{"name", process.name},
                                   {"role", process.role},
                                   {"pid", process.pid}});
    }
  }
  json["checkpoints"] = run.Checkpoints();
  return json;
}

}  // namespace aha::cli
