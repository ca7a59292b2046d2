#include "job/data_preset.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace aha {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The section of a job file that says what the preset says.
v1::Prompts SectionOf(const DataPreset& preset) {
  v1::Prompts prompts;
  const PromptFields& fields = preset.fields;
  v1::RowFields* const rows = prompts.mutable_fields();
  if (!fields.prompt.empty()) rows->set_prompt(fields.prompt);
  if (!fields.answer.empty()) rows->set_answer(fields.answer);
  if (!fields.id.empty()) rows->set_id(fields.id);
  if (!fields.system.empty()) rows->set_system(fields.system);
  const AnswerExtract& extract = preset.extract;
  if (!extract.any()) return prompts;
  v1::AnswerExtract* const rule = prompts.mutable_extract();
  if (!extract.after.empty()) rule->set_after(extract.after);
  if (extract.boxed) rule->set_boxed(true);
  if (!extract.regex.empty()) rule->set_regex(extract.regex);
  return prompts;
}

// A scalar's value as a text; nothing if the preset does not set it.
std::optional<std::string> OwnText(const DataPreset& preset,
                                   const FieldDescriptor& field) {
  const v1::Prompts section = SectionOf(preset);
  const Message* const message =
      field.containing_type() == v1::RowFields::descriptor()
          ? static_cast<const Message*>(&section.fields())
          : &section.extract();
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  if (!reflection.HasField(*message, &field)) return std::nullopt;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return "true";
  return reflection.GetString(*message, &field);
}

// "gsm8k: GSM8K: ... It sets fields.prompt question, ..."
std::string PresetText(const DataPreset& preset) {
  std::vector<std::string> sets;
  const auto add = [&](const char* key,
                       const google::protobuf::Descriptor& message) {
    for (int i = 0; i < message.field_count(); ++i) {
      if (const auto text = OwnText(preset, *message.field(i))) {
        sets.push_back(
            absl::StrCat(key, ".", message.field(i)->name(), " ", *text));
      }
    }
  };
  add("fields", *v1::RowFields::descriptor());
  add("extract", *v1::AnswerExtract::descriptor());
  return absl::StrCat(preset.name, ": ", preset.help, " It sets ",
                      absl::StrJoin(sets, ", "), ".");
}

}  // namespace

void FillFromDataPreset(v1::Prompts* prompts) {
  const DataPreset* const preset = FindDataPreset(prompts->preset());
  if (preset == nullptr) return;
  v1::Prompts filled = SectionOf(*preset);
  // A rule of extraction replaces the preset's.
  filled.MergeFrom(*prompts);
  *prompts = std::move(filled);
}

std::vector<std::string> DataPresetTexts(const FieldDescriptor& field) {
  std::vector<std::string> texts;
  const auto* const section = field.containing_type();
  const bool is_preset =
      section == v1::Prompts::descriptor() && field.name() == "preset";
  const bool is_set = section == v1::RowFields::descriptor() ||
                      section == v1::AnswerExtract::descriptor();
  for (const DataPreset& preset : DataPresets()) {
    if (is_preset) {
      texts.push_back(PresetText(preset));
    } else if (const auto text =
                   is_set ? OwnText(preset, field) : std::nullopt) {
      texts.push_back(absl::StrCat(preset.name, " ", *text));
    }
  }
  return texts;
}

}  // namespace aha
