// Writes docs/job-file.md from the schema.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "job/algorithm.h"
#include "job/config_errors.h"
#include "job/data_preset.h"
#include "job/file/explain.h"
#include "job/file/schema.h"

namespace aha {
namespace {

constexpr absl::string_view kOpening = R"(# The job file

<!-- Generated from proto/aha/v1/job.proto; see tests/job/reference_test.cc. -->

A job is one YAML file. It says everything that decides the result; only
`name`, `cluster` and `checkpoint` do not change a bit of it. Unknown keys are
errors, anchors and aliases are not supported, and every default is below.

    ahactl config validate job.yaml          # check it
    ahactl config explain stages.grpo        # this page, for one key
    ahactl run job.yaml --set stages[1].grpo.steps=5

Keys of a list's items are written with `[]`.
)";

std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"<", "&lt;"}});
}

std::string DefaultCell(const FieldDescriptor& field) {
  if (RuleOf(field).required()) return "required";
  const std::string text = DefaultText(field);
  return text.empty() ? "" : absl::StrCat("`", text, "`");
}

std::string MeaningCell(const FieldDescriptor& field) {
  const v1::Rule& rule = RuleOf(field);
  std::string text = rule.help();
  if (!rule.also().empty()) {
    absl::StrAppend(&text, " Elsewhere: ", rule.also(), ".");
  }
  std::vector<std::string> presets = PresetTexts(field);
  const std::string set_by = presets.empty() ? "preset" : "algorithm";
  if (presets.empty()) presets = DataPresetTexts(field);
  if (field.name() == set_by) {
    absl::StrAppend(&text, " ", absl::StrJoin(presets, " "));
  } else if (!presets.empty()) {
    absl::StrAppend(&text, " Set by ", set_by, ": ",
                    absl::StrJoin(presets, ", "), ".");
  }
  return Cell(text);
}

std::string RangeCell(const v1::Rule& rule) {
  const std::string range = RangeText(rule);
  if (rule.unit().empty()) return Cell(range);
  return Cell(range.empty() ? rule.unit()
                            : absl::StrCat(range, " ", rule.unit()));
}

void AppendSection(const Descriptor& message, const std::string& path,
                   absl::string_view help, std::string* out) {
  absl::StrAppend(out, "\n## ", path.empty() ? "Top level" : "`" + path + "`",
                  "\n\n");
  if (!help.empty()) absl::StrAppend(out, Cell(help), "\n\n");
  absl::StrAppend(out, "| key | type | default | allowed | meaning |\n",
                  "|---|---|---|---|---|\n");
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const v1::Rule& rule = RuleOf(field);
    absl::StrAppend(out, "| `", field.name(), "` | ", TypeName(field), " | ",
                    DefaultCell(field), " | ", RangeCell(rule), " | ",
                    MeaningCell(field), " |\n");
  }
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (!IsMessage(field)) continue;
    const std::string child = absl::StrCat(ChildPath(path, field.name()),
                                           field.is_repeated() ? "[]" : "");
    AppendSection(*field.message_type(), child, RuleOf(field).help(), out);
  }
}

}  // namespace

std::string JobFileReference() {
  std::string out(kOpening);
  AppendSection(*v1::Job::descriptor(), "", "", &out);
  return out;
}

}  // namespace aha
