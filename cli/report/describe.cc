#include "cli/report/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "cli/report/event_text.h"
#include "cli/term/table.h"

namespace aha::cli {
namespace {

constexpr size_t kEventsShown = 5;

void AddFacts(const run::JobView& job, std::vector<std::string>* lines) {
  const auto fact = [lines](absl::string_view label, const std::string& text) {
    if (text.empty()) return;
    lines->push_back(absl::StrCat(PadRight(label, 18), OneLine(text)));
  };
  fact("Name", job.name);
  fact("State", std::string(StateName(job.state)));
  fact("Problem", job.problem);
  fact("Not reproducible", job.not_reproducible);
  fact("Time", FormatSeconds(job.seconds));
  fact("Run directory", job.run_directory);
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

std::string StageTable(const run::JobView& job) {
  Table table({"STAGE", "TYPE", "STEPS", "TIME", "REWARD", "PASS@1", "LENGTH"});
  for (const run::StageView& stage : job.stages) {
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
  return ForOutput(table);
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

void AddSummary(const run::Summary& summary, std::vector<std::string>* lines) {
  const auto eval = [lines](absl::string_view label,
                            const std::optional<run::EvalOutcome>& result) {
    if (!result.has_value()) return;
    lines->push_back(absl::StrCat(
        PadRight(label, 18), FormatPercent(result->pass_at_1), " pass@1, ",
        absl::StrFormat("%.1f tokens, %d prompts",
                        result->mean_completion_length, result->prompts)));
  };
  eval("Before", summary.before);
  eval("After", summary.after);
  if (summary.peak_rss_bytes > 0) {
    lines->push_back(absl::StrCat(PadRight("Peak memory", 18),
                                  FormatBytes(summary.peak_rss_bytes)));
  }
}

std::string ProcessTable(const std::vector<run::ProcessEntry>& processes) {
  if (processes.empty()) return "";
  Table table({"PROCESS", "ROLE", "PID", "ALIVE"});
  for (const run::ProcessEntry& process : processes) {
    table.Row({process.name, process.role, absl::StrCat(process.pid),
               run::ProcessIsAlive(process.pid) ? "yes" : "no"});
  }
  return ForOutput(table);
}

std::string LastEvents(run::JobFeed& feed) {
  std::string text;
  for (const run::Event& event : feed.Events(kEventsShown)) {
    absl::StrAppend(&text, EventText(event), "\n");
  }
  return text;
}

// Nothing is connected to a job that has ended.
std::vector<run::MemberView> MembersOf(run::JobFeed& feed,
                                       const run::JobView& job) {
  if (run::IsEndState(job.state)) return {};
  return feed.Members();
}

std::vector<std::string> CheckpointPaths(run::JobFeed& feed,
                                         const run::JobView& job) {
  std::vector<std::string> paths;
  for (const std::string& name : feed.Checkpoints()) {
    paths.push_back(absl::StrCat(job.run_directory, "/", name));
  }
  return paths;
}

}  // namespace

std::string JobTable(const std::vector<run::JobView>& jobs) {
  Table table({"NAME", "STATE", "STAGE", "STEP", "PASS@1", "TIME", "CHECKSUM",
               "DIRECTORY"});
  for (const run::JobView& job : jobs) {
    const run::StageView* stage = job.Current();
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
  return ForOutput(table);
}

std::string MemberTable(const std::vector<run::MemberView>& members) {
  Table table(
      {"NAME", "ROLE", "STATE", "SEEN", "LEASES", "TOKENS/S", "WAITING_FOR"});
  for (const run::MemberView& member : members) {
    table.Row({member.name, member.role, member.draining ? "draining" : "alive",
               FormatSeconds(member.last_seen_seconds),
               absl::StrCat(member.leases),
               member.tokens_per_second > 0
                   ? absl::StrFormat("%.0f", member.tokens_per_second)
                   : "",
               member.waiting_for});
  }
  return ForOutput(table);
}

absl::StatusOr<std::vector<std::string>> DescribeText(run::JobFeed& feed,
                                                      const Style& style) {
  AHA_ASSIGN_OR_RETURN(const run::JobView job, feed.Job());
  std::vector<std::string> lines;
  AddFacts(job, &lines);
  if (const std::optional<run::Summary> end = feed.End()) {
    AddSummary(*end, &lines);
  }
  if (!job.stages.empty()) AddSection("Stages", StageTable(job), &lines);
  const std::vector<run::MemberView> members = MembersOf(feed, job);
  if (!members.empty()) AddSection("Members", MemberTable(members), &lines);
  AddSection("Processes", ProcessTable(feed.Processes()), &lines);
  AddSection("Checkpoints", absl::StrJoin(CheckpointPaths(feed, job), "\n"),
             &lines);
  AddSection("Last events", LastEvents(feed), &lines);
  for (std::string& line : lines) {
    line = Ellipsize(line, std::max(style.width, 60), style.glyphs);
  }
  return lines;
}

absl::StatusOr<Json> DescribeJson(run::JobFeed& feed) {
  AHA_ASSIGN_OR_RETURN(const run::JobView job, feed.Job());
  Json json = ToJson(job);
  if (const std::optional<run::Summary> end = feed.End()) {
    json["summary"] = ToJson(*end);
  }
  json["members"] = Json::array();
  for (const run::MemberView& member : MembersOf(feed, job)) {
    json["members"].push_back(ToJson(member));
  }
  json["processes"] = Json::array();
  for (const run::ProcessEntry& process : feed.Processes()) {
    json["processes"].push_back(ToJson(process));
  }
  json["checkpoints"] = CheckpointPaths(feed, job);
  return json;
}

}  // namespace aha::cli
