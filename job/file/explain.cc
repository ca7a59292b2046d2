#include "job/file/explain.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/text.h"
#include "job/algorithm.h"
#include "job/data_preset.h"
#include "job/file/schema.h"

namespace aha {
namespace {

constexpr size_t kColumns = 80;

// "stages[1].grpo" and "stages[].grpo" -> "stages.grpo".
std::string WithoutIndices(absl::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == '[') inside = true;
    if (!inside) out += c;
    if (c == ']') inside = false;
  }
  return out;
}

KeyInfo Describe(const SchemaKey& key) {
  const v1::Rule& rule = RuleOf(*key.field);
  KeyInfo info;
  info.path = key.path;
  info.type = TypeName(*key.field);
  info.required = rule.required();
  info.default_value = DefaultText(*key.field);
  info.range = RangeText(rule);
  info.unit = rule.unit();
  info.help = rule.help();
  info.also = rule.also();
  info.presets = PresetTexts(*key.field);
  info.set_by = "algorithm";
  if (info.presets.empty()) {
    info.presets = DataPresetTexts(*key.field);
    info.set_by = "preset";
  }
  return info;
}

void AppendWrapped(absl::string_view text, size_t indent, std::string* out) {
  const std::string margin(indent, ' ');
  std::string line = margin;
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (line.size() > indent && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(out, line, "\n");
      line = margin;
    }
    absl::StrAppend(&line, line.size() > indent ? " " : "", word);
  }
  absl::StrAppend(out, line, "\n");
}

std::string Facts(const KeyInfo& key) {
  std::string facts = key.type;
  if (!key.range.empty()) absl::StrAppend(&facts, ", ", key.range);
  if (!key.unit.empty()) absl::StrAppend(&facts, " (", key.unit, ")");
  if (key.required) facts += ", required";
  if (!key.default_value.empty()) {
    absl::StrAppend(&facts, ", default ", key.default_value);
  }
  return facts;
}

std::string NotFoundText(absl::string_view path,
                         const std::vector<SchemaKey>& keys) {
  std::vector<std::string> candidates;
  for (const SchemaKey& key : keys) {
    candidates.push_back(WithoutIndices(key.path));
    candidates.push_back(key.field->name());
  }
  const std::string nearest = NearestName(WithoutIndices(path), candidates);
  return absl::StrCat("no key '", path, "' in a job file",
                      nearest.empty()
                          ? "; leave it out to see all"
                          : absl::StrCat("; did you mean ", nearest, "?"));
}

}  // namespace

absl::StatusOr<std::vector<KeyInfo>> ExplainKeys(absl::string_view path) {
  const std::vector<SchemaKey> keys = SchemaKeys(*v1::Job::descriptor());
  const std::string wanted = WithoutIndices(path);
  const auto collect = [&](auto matches) {
    std::vector<KeyInfo> found;
    for (const SchemaKey& key : keys) {
      if (matches(WithoutIndices(key.path))) found.push_back(Describe(key));
    }
    return found;
  };
  std::vector<KeyInfo> found = collect([&](const std::string& key) {
    return wanted.empty() || key == wanted ||
           absl::StartsWith(key, absl::StrCat(wanted, "."));
  });
  if (found.empty()) {
    const std::string tail = absl::StrCat(".", wanted);
    const std::string inside = absl::StrCat(tail, ".");
    found = collect([&](const std::string& key) {
      return absl::EndsWith(key, tail) || absl::StrContains(key, inside);
    });
  }
  if (found.empty()) return absl::NotFoundError(NotFoundText(path, keys));
  return found;
}

absl::StatusOr<std::string> Explain(absl::string_view path) {
  AHA_ASSIGN_OR_RETURN(const std::vector<KeyInfo> keys, ExplainKeys(path));
  std::string out;
  for (const KeyInfo& key : keys) {
    absl::StrAppend(&out, key.path, "\n");
    AppendWrapped(Facts(key), 4, &out);
    AppendWrapped(key.help, 4, &out);
    if (!key.also.empty()) {
      AppendWrapped(absl::StrCat("Elsewhere: ", key.also, "."), 4, &out);
    }
    if (key.presets.empty()) continue;
    if (absl::EndsWith(key.path, absl::StrCat(".", key.set_by))) {
      for (const std::string& preset : key.presets) {
        AppendWrapped(preset, 4, &out);
      }
    } else {
      AppendWrapped(absl::StrCat("Set by ", key.set_by, ": ",
                                 absl::StrJoin(key.presets, ", "), "."),
                    4, &out);
    }
  }
  return out;
}

}  // namespace aha
