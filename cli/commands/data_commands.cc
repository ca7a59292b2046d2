// ahactl data: looks at data files and rewrites them before a job uses them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/file_io.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/term/exit_code.h"
#include "cli/term/text.h"
#include "data/profile.h"
#include "job/data_preset.h"
#include "job/options.h"
#include "job/prompt_tokens.h"

namespace aha::cli {
namespace {

constexpr size_t kShownPrompts = 3;

struct DataFlags {
  std::vector<std::string> files;
  std::string preset, prompt, answer, system, after, regex, model;
  bool boxed = false;
  bool skip = false;
  std::string out;
};

absl::StatusOr<PromptFileOptions> OptionsOf(const DataFlags& flags) {
  if (!flags.preset.empty() && FindDataPreset(flags.preset) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--preset must be one of ",
        absl::StrJoin(DataPresets(), ", ",
                      [](std::string* out, const DataPreset& preset) {
                        absl::StrAppend(out, preset.name);
                      }),
        "; got '", flags.preset, "'"));
  }
  v1::Job job;
  v1::Prompts& prompts = *job.mutable_prompts();
  prompts.set_preset(flags.preset);
  v1::RowFields& fields = *prompts.mutable_fields();
  if (!flags.prompt.empty()) fields.set_prompt(flags.prompt);
  if (!flags.answer.empty()) fields.set_answer(flags.answer);
  if (!flags.system.empty()) fields.set_system(flags.system);
  if (!flags.after.empty()) prompts.mutable_extract()->set_after(flags.after);
  if (!flags.regex.empty()) prompts.mutable_extract()->set_regex(flags.regex);
  if (flags.boxed) prompts.mutable_extract()->set_boxed(true);
  FillFromDataPreset(&prompts);
  return PromptFileOptions{.paths = flags.files,
                           .mapping = PromptMappingOf(job),
                           .skip_bad_rows = flags.skip};
}

// The lengths of the prompts in one unit, ascending.
struct Lengths {
  std::string unit;
  std::vector<size_t> sorted;

  size_t At(double share) const {
    return sorted[static_cast<size_t>(share *
                                      static_cast<double>(sorted.size() - 1))];
  }
};

size_t Characters(absl::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += ReadUtf8(text, at).size) ++count;
  return count;
}

// In tokens of the model that --model names, else in characters.
absl::StatusOr<Lengths> MeasureLengths(const DataFlags& flags,
                                       const PromptTable& table) {
  Lengths lengths{.unit = "characters", .sorted = {}};
  std::unique_ptr<Tokenizer> tokenizer;
  if (!flags.model.empty()) {
    AHA_ASSIGN_OR_RETURN(tokenizer, Tokenizer::Load(flags.model));
    lengths.unit = "tokens";
  }
  for (const PromptRecord& record : table.records) {
    if (tokenizer == nullptr) {
      lengths.sorted.push_back(Characters(record.prompt));
      continue;
    }
    std::vector<ChatMessage> turns;
    for (const Turn& turn : record.turns) {
      turns.push_back({.role = turn.role, .content = turn.content});
    }
    const auto text = RenderPrompt(*tokenizer, v1::Prompts(),
                                   {.text = record.prompt, .turns = turns});
    const auto ids = text.ok()
                         ? tokenizer->Encode(*text)
                         : absl::StatusOr<std::vector<int32_t>>(text.status());
    if (!ids.ok()) {
      return absl::Status(
          ids.status().code(),
          absl::StrCat(record.place, ": ", ids.status().message()));
    }
    lengths.sorted.push_back(ids->size());
  }
  std::sort(lengths.sorted.begin(), lengths.sorted.end());
  return lengths;
}

// "answer.x, what extract takes out of it".
std::string UsedText(const PromptFields& used) {
  return absl::StrCat(
      "prompt is ", used.prompt.empty() ? "nowhere" : used.prompt,
      ", answer is ",
      used.answer.empty() ? "the assistant's last turn, if any" : used.answer,
      used.id.empty() ? "" : absl::StrCat(", id is ", used.id));
}

Json ToJson(const DataProfile& profile, const Lengths& lengths) {
  Json json = {{"rows", profile.rows},      {"duplicates", profile.duplicates},
               {"files", Json::array()},    {"keys", Json::object()},
               {"skipped", Json::object()}, {"prompts", Json::array()}};
  for (const DataFile& file : profile.files) json["files"].push_back(file.path);
  for (const auto& [key, seen] : profile.keys) {
    json["keys"][key] = {{"rows", seen.rows}, {"types", seen.types}};
  }
  const PromptTable& table = *profile.prompts;
  for (const auto& [cause, rows] : table.report.skipped) {
    json["skipped"][cause] = {{"rows", rows.count}, {"first", rows.first}};
  }
  const PromptFields& used = table.report.used;
  json["mapping"] = {{"prompt", used.prompt},
                     {"answer", used.answer},
                     {"id", used.id},
                     {"system", used.system}};
  json["lengths"] = {{"unit", lengths.unit},
                     {"min", lengths.At(0)},
                     {"median", lengths.At(0.5)},
                     {"p95", lengths.At(0.95)},
                     {"max", lengths.At(1)}};
  for (size_t i = 0; i < std::min(kShownPrompts, table.records.size()); ++i) {
    const PromptRecord& record = table.records[i];
    json["prompts"].push_back({{"id", record.id},
                               {"prompt", record.prompt},
                               {"answer", record.answer}});
  }
  return json;
}

std::string ToText(const DataProfile& profile, const Lengths& lengths) {
  const PromptTable& table = *profile.prompts;
  std::string out = absl::StrCat(
      FormatCount(profile.rows), " rows in ", profile.files.size(), " file",
      profile.files.size() == 1 ? "" : "s", ", ",
      FormatCount(table.records.size()), " prompts, ",
      FormatCount(profile.duplicates),
      " of them with a text that came before\n",
      "mapping: ", OneLine(UsedText(table.report.used)), "\n", "length in ",
      lengths.unit, ": ", lengths.At(0), " to ", lengths.At(1), ", median ",
      lengths.At(0.5), ", 95 % at most ", lengths.At(0.95), "\n", "keys:\n");
  for (const auto& [key, seen] : profile.keys) {
    absl::StrAppend(&out, "  ", OneLine(key), ": ",
                    absl::StrJoin(seen.types, ", ",
                                  [](std::string* text, const auto& type) {
                                    absl::StrAppend(text, type.first, " in ",
                                                    FormatCount(type.second));
                                  }),
                    "\n");
  }
  for (const auto& [cause, rows] : table.report.skipped) {
    absl::StrAppend(&out, "no prompt for ", cause, ": ",
                    FormatCount(rows.count), ", the first at ",
                    OneLine(rows.first), "\n");
  }
  for (size_t i = 0; i < std::min(kShownPrompts, table.records.size()); ++i) {
    const PromptRecord& record = table.records[i];
    absl::StrAppend(&out, OneLine(record.id),
                    "\n  prompt: ", Ellipsize(OneLine(record.prompt), 68),
                    "\n  answer: ", Ellipsize(OneLine(record.answer), 68),
                    "\n");
  }
  return out;
}

absl::Status Inspect(const DataFlags& flags, Output output) {
  AHA_ASSIGN_OR_RETURN(const PromptFileOptions options, OptionsOf(flags));
  AHA_ASSIGN_OR_RETURN(const DataProfile profile, ProfileData(options));
  AHA_RETURN_IF_ERROR(profile.prompts.status());
  AHA_ASSIGN_OR_RETURN(const Lengths lengths,
                       MeasureLengths(flags, *profile.prompts));
  Print(ToJson(profile, lengths), ToText(profile, lengths), output);
  return absl::OkStatus();
}

// A row that every job reads without a mapping.
std::string RowOf(const PromptRecord& record) {
  Json row = Json::object();
  for (const auto& [key, text] : record.fields) {
    if (key != "answer" && key != "prompt") {
      row[key] = Json::parse(text, nullptr, false);
    }
  }
  row["id"] = record.id;
  row["answer"] = record.answer;
  if (record.turns.empty()) {
    row["prompt"] = record.prompt;
  } else {
    row["prompt"] = Json::array();
    for (const Turn& turn : record.turns) {
      row["prompt"].push_back({{"role", turn.role}, {"content", turn.content}});
    }
  }
  return row.dump() + "\n";
}

absl::Status Convert(const DataFlags& flags, Output output) {
  AHA_ASSIGN_OR_RETURN(const PromptFileOptions options, OptionsOf(flags));
  AHA_ASSIGN_OR_RETURN(const PromptTable table, LoadPrompts(options));
  AHA_ASSIGN_OR_RETURN(FileWriter file, FileWriter::Create(flags.out));
  for (const PromptRecord& record : table.records) {
    const std::string row = RowOf(record);
    AHA_RETURN_IF_ERROR(file.Write(row.data(), row.size()));
  }
  AHA_RETURN_IF_ERROR(file.Finish());
  Print({{"file", flags.out},
         {"rows", table.records.size()},
         {"skipped", table.report.skipped_rows()}},
        absl::StrCat(FormatCount(table.records.size()), " rows in ", flags.out,
                     ", ", FormatCount(table.report.skipped_rows()),
                     " left out\n"),
        output);
  return absl::OkStatus();
}

void AddMappingOptions(CLI::App& command, DataFlags& flags) {
  command.add_option("FILE", flags.files, "Data files or directories")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--preset", flags.preset,
                  "Form of the rows: gsm8k, math, dapo_math, messages, verl or "
                  "trl")
      ->type_name("NAME");
  command.add_option("--prompt", flags.prompt, "Key of the prompt")
      ->type_name("PATH");
  command.add_option("--answer", flags.answer, "Key of the answer")
      ->type_name("PATH");
  command.add_option("--system", flags.system, "Key of a row's system text")
      ->type_name("PATH");
  command
      .add_option("--after", flags.after,
                  "The reference follows this text in the answer")
      ->type_name("TEXT");
  command
      .add_option("--regex", flags.regex,
                  "The reference is the first group of this expression (RE2)")
      ->type_name("REGEX");
  command.add_flag("--boxed", flags.boxed,
                   "The reference stands in the answer's last \\boxed{}");
}

}  // namespace

void AddDataCommands(CLI::App& app, Context& context) {
  CLI::App* data =
      app.add_subcommand("data", "Look at data files before a job uses them");
  data->footer(
      "Examples:\n"
      "  ahactl data inspect train.jsonl --preset gsm8k");
  data->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* footer,
                       absl::Status (*act)(const DataFlags&, Output)) {
    const auto flags = std::make_shared<DataFlags>();
    CLI::App* command = data->add_subcommand(name, help);
    command->footer(footer);
    AddMappingOptions(*command, *flags);
    AddOutputOption(*command, context);
    command->callback([flags, act, &context] {
      context.action = [flags, act, &context] {
        return Report(act(*flags, context.Format()));
      };
    });
    return std::make_pair(command, flags);
  };
  auto [inspect, shown] =
      add("inspect", "Show rows, keys, the mapping and what it yields",
          "Formats: JSON Lines, a JSON array of objects, CSV; also compressed\n"
          "with gzip or zstd. Rows that are no prompts are counted.\n\n"
          "Examples:\n"
          "  ahactl data inspect train.jsonl\n"
          "  ahactl data inspect data/ --prompt query --answer meta.truth\n"
          "  ahactl data inspect test.csv.gz --model models/smollm2 -o json",
          Inspect);
  inspect
      ->add_option("--model", shown->model,
                   "Model directory whose tokenizer measures the prompts")
      ->type_name("DIR");
  auto [convert, written] =
      add("convert", "Write the prompts as JSON Lines that need no mapping",
          "Examples:\n"
          "  ahactl data convert train.csv --to train.jsonl\n"
          "  ahactl data convert gsm8k/ --preset gsm8k --to out.jsonl "
          "--skip-bad-rows",
          Convert);
  convert->add_option("--to", written->out, "The file that is written")
      ->type_name("OUT")
      ->required();
  convert->add_flag("--skip-bad-rows", written->skip,
                    "Leave out rows that are no prompts");
}

}  // namespace aha::cli
