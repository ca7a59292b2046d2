// ahactl reward: tries verifiers on completions, without a job.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "aha/v1/job.pb.h"
#include "base/lenient_json.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/term/exit_code.h"
#include "cli/term/text.h"
#include "data/row_reader.h"
#include "job/options.h"
#include "rewards/verifier.h"

namespace aha::cli {
namespace {

struct RewardFlags {
  std::string file, verifier;
  std::string completion = "completion";
  std::string answer = "answer";
  std::vector<std::string> settings;  // "key=value"
  bool summary = false;
};

// A line of the file with what the verifier says of it.
struct JudgedRow {
  std::string place;
  std::string answer;
  rewards::Verdict verdict;
};

// Sets a key of RewardComponent from text.
absl::Status SetKey(absl::string_view key, const std::string& value,
                    v1::RewardComponent* reward) {
  using Field = google::protobuf::FieldDescriptor;
  const Field* field =
      v1::RewardComponent::descriptor()->FindFieldByName(std::string(key));
  const google::protobuf::Reflection& fields = *reward->GetReflection();
  double number = 0;
  int32_t integer = 0;
  if (field == nullptr || field->is_repeated()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--set must name a key of a reward, got '", key, "'"));
  }
  if (field->cpp_type() == Field::CPPTYPE_STRING) {
    fields.SetString(reward, field, value);
  } else if (field->cpp_type() == Field::CPPTYPE_DOUBLE &&
             absl::SimpleAtod(value, &number) && number >= 0) {
    fields.SetDouble(reward, field, number);
  } else if (field->cpp_type() == Field::CPPTYPE_INT32 &&
             absl::SimpleAtoi(value, &integer) && integer >= 0) {
    fields.SetInt32(reward, field, integer);
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "--set ", key, " must be a number of at least 0, got '", value, "'"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<rewards::Verifier>> MakeVerifier(
    const RewardFlags& flags, const rewards::VerifierSpec& spec) {
  v1::Job job;
  v1::RewardComponent reward;
  for (const std::string& setting : flags.settings) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(setting, absl::MaxSplits('=', 1));
    AHA_RETURN_IF_ERROR(SetKey(parts.first, parts.second, &reward));
  }
  return spec.make(VerifierSettingsOf(job, reward));
}

// The text under a key of the row: a text as it is, anything else as JSON.
std::optional<std::string> TextOf(const nlohmann::json& row,
                                  const std::string& key) {
  const auto member = row.find(key);
  if (member == row.end()) return std::nullopt;
  return member->is_string() ? member->get<std::string>() : member->dump();
}

int64_t TokensOf(const nlohmann::json& row) {
  const auto ids = row.find("token_ids");
  if (ids != row.end() && ids->is_array()) {
    return static_cast<int64_t>(ids->size());
  }
  const auto tokens = row.find("tokens");
  return tokens != row.end() && tokens->is_number_integer()
             ? tokens->get<int64_t>()
             : 0;
}

absl::StatusOr<rewards::Verdict> JudgeRow(const RewardFlags& flags,
                                          const rewards::VerifierSpec& spec,
                                          const rewards::Verifier& verifier,
                                          const nlohmann::json& row) {
  const auto completion = TextOf(row, flags.completion);
  if (!completion) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.completion, " is missing; --completion names its key"));
  }
  const auto answer = TextOf(row, flags.answer);
  const bool needs_answer =
      absl::c_linear_search(spec.needs, absl::string_view("answer"));
  if (!answer && needs_answer) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.answer, " is missing; --answer names its key"));
  }
  rewards::PromptFields fields;
  for (const auto& [key, value] : row.items()) fields[key] = value.dump();
  const std::string reference = answer.value_or("");
  const std::string prompt = TextOf(row, "prompt").value_or("");
  const rewards::PromptView view = {
      .text = prompt, .reference = reference, .fields = &fields};
  AHA_RETURN_IF_ERROR(rewards::CheckPrompt(spec, verifier, view));
  const bool cut = TextOf(row, "finish_reason").value_or("") == "length";
  return verifier.Score({{.prompt = view,
                          .completion = *completion,
                          .truncated = cut,
                          .tokens = TokensOf(row)}},
                        rewards::Deadline::Never())[0];
}

absl::StatusOr<std::vector<JudgedRow>> JudgeFile(
    const RewardFlags& flags, const rewards::VerifierSpec& spec,
    const rewards::Verifier& verifier) {
  uint64_t bytes = 0;
  AHA_ASSIGN_OR_RETURN(
      const std::unique_ptr<RowReader> reader,
      OpenRows(flags.file, std::numeric_limits<uint64_t>::max(), &bytes));
  std::vector<JudgedRow> judged;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(std::optional<Row> row, reader->Next());
    if (!row) return judged;
    const std::string place = absl::StrCat(flags.file, row->place);
    const auto verdict =
        row->value.ok() ? JudgeRow(flags, spec, verifier, *row->value)
                        : absl::StatusOr<rewards::Verdict>(row->value.status());
    if (!verdict.ok()) {
      return absl::Status(
          verdict.status().code(),
          absl::StrCat(place, ": ", verdict.status().message()));
    }
    judged.push_back({.place = place,
                      .answer = TextOf(*row->value, flags.answer).value_or(""),
                      .verdict = *verdict});
  }
}

std::string RowText(const JudgedRow& row) {
  return absl::StrCat(
      OneLine(row.place), "  ", absl::StrFormat("%g", row.verdict.value), "  ",
      rewards::OutcomeName(row.verdict.outcome), "  ",
      OneLine(row.verdict.evidence),
      row.answer.empty() || row.verdict.value == 1
          ? ""
          : absl::StrCat("  (answer: ", Ellipsize(OneLine(row.answer), 40),
                         ")"),
      "\n");
}

absl::Status TestVerifier(const RewardFlags& flags, Output output) {
  AHA_ASSIGN_OR_RETURN(const rewards::VerifierSpec* spec,
                       rewards::FindVerifier(flags.verifier));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<rewards::Verifier> verifier,
                       MakeVerifier(flags, *spec));
  AHA_ASSIGN_OR_RETURN(const std::vector<JudgedRow> rows,
                       JudgeFile(flags, *spec, *verifier));
  std::map<std::string, uint64_t> outcomes;
  double sum = 0;
  std::string text;
  Json json = {{"rows", rows.size()}, {"mean", nullptr}, {"outcomes", {}}};
  for (const JudgedRow& row : rows) {
    const std::string outcome(rewards::OutcomeName(row.verdict.outcome));
    ++outcomes[outcome];
    sum += row.verdict.value;
    if (flags.summary) continue;
    text += RowText(row);
    json["verdicts"].push_back({{"place", row.place},
                                {"value", row.verdict.value},
                                {"outcome", outcome},
                                {"evidence", row.verdict.evidence}});
  }
  json["outcomes"] = outcomes;
  absl::StrAppend(&text, FormatCount(rows.size()), " rows");
  if (!rows.empty()) {
    const double mean = sum / static_cast<double>(rows.size());
    json["mean"] = mean;
    absl::StrAppend(&text, ", mean ", absl::StrFormat("%.4f", mean), ": ",
                    absl::StrJoin(outcomes, ", ",
                                  [](std::string* out, const auto& outcome) {
                                    absl::StrAppend(out,
                                                    FormatCount(outcome.second),
                                                    " ", outcome.first);
                                  }));
  }
  Print(json, absl::StrCat(text, "\n"), output);
  return absl::OkStatus();
}

std::string VerifierNames() {
  return absl::StrJoin(rewards::Verifiers(), ", ",
                       [](std::string* out, const auto& spec) {
                         absl::StrAppend(out, spec.name);
                       });
}

}  // namespace

void AddRewardCommands(CLI::App& app, Context& context) {
  CLI::App* reward =
      app.add_subcommand("reward", "Try verifiers on completions");
  reward->footer(
      "Examples:\n"
      "  ahactl reward test completions.jsonl --verifier math");
  reward->require_subcommand(1);
  CLI::App* test = reward->add_subcommand(
      "test", "Score the completions of a file and explain each verdict");
  test->footer(
      "A row has a completion and the answer that it should give, and the\n"
      "further keys that the verifier reads. Rows of rollouts/ have\n"
      "finish_reason and token_ids, which count, too.\n\n"
      "Examples:\n"
      "  ahactl reward test completions.jsonl --verifier math\n"
      "  ahactl reward test math500.jsonl --verifier math --completion "
      "solution --summary\n"
      "  ahactl reward test out.csv --verifier regex --set "
      "'pattern=^Answer: ' -o json");
  const auto flags = std::make_shared<RewardFlags>();
  test->add_option("FILE", flags->file, "A data file: JSON Lines, JSON or CSV")
      ->type_name("FILE")
      ->required();
  test->add_option("--verifier", flags->verifier,
                   absl::StrCat("One of ", VerifierNames()))
      ->type_name("NAME")
      ->required();
  test->add_option("--completion", flags->completion, "Key of the completion")
      ->type_name("KEY")
      ->capture_default_str();
  test->add_option("--answer", flags->answer, "Key of the reference answer")
      ->type_name("KEY")
      ->capture_default_str();
  test->add_option("--set", flags->settings,
                   "Setting of the verifier, as rewards[] of a job file has "
                   "it; repeatable")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  test->add_flag("--summary", flags->summary, "Only count the verdicts");
  AddOutputOption(*test, context);
  test->callback([flags, &context] {
    context.action = [flags, &context] {
      return Report(TestVerifier(*flags, context.Format()));
    };
  });
}

}  // namespace aha::cli
