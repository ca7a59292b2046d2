#include "job/file/overrides.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace aha {
namespace {

// One key or one index of a path.
struct PathStep {
  std::string key;
  size_t index = 0;  // If key is empty.
};

absl::Status AddSteps(absl::string_view part, std::vector<PathStep>* steps) {
  const absl::string_view key = part.substr(0, part.find('['));
  if (key.empty()) {
    return absl::InvalidArgumentError("must be key=value with dotted keys");
  }
  steps->push_back({std::string(key)});
  part.remove_prefix(key.size());
  while (!part.empty()) {
    const size_t end = part.find(']');
    size_t index = 0;
    if (part[0] != '[' || end == absl::string_view::npos ||
        !absl::SimpleAtoi(part.substr(1, end - 1), &index)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", part, "' must be an index like [0]"));
    }
    steps->push_back({"", index});
    part.remove_prefix(end + 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<YamlNode*> Descend(const PathStep& step, YamlNode* node,
                                  const std::string& place) {
  using Kind = YamlNode::Kind;
  const bool by_key = !step.key.empty();
  const Kind wanted = by_key ? Kind::kMap : Kind::kList;
  if (node->kind == Kind::kNull) {
    node->kind = wanted;
    node->place = place;
  }
  if (node->kind != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(
        by_key ? absl::StrCat("'", step.key, "'")
               : absl::StrCat("[", step.index, "]"),
        " is looked up in ", node->KindName(), ", which needs ",
        node->kind == Kind::kList ? "an index like [0]" : "no more keys"));
  }
  if (by_key) {
    if (YamlNode* found = node->Find(step.key); found != nullptr) return found;
    node->keys.push_back(step.key);
    node->items.emplace_back().place = place;
    return &node->items.back();
  }
  if (step.index > node->items.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("index must be at most ", node->items.size(),
                     " (the list's length), got ", step.index));
  }
  if (step.index == node->items.size()) node->items.emplace_back();
  return &node->items[step.index];
}

absl::Status Apply(absl::string_view assignment, const std::string& place,
                   YamlNode* root) {
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError("must be key=value");
  }
  std::vector<PathStep> steps;
  for (const absl::string_view part :
       absl::StrSplit(assignment.substr(0, equals), '.')) {
    AHA_RETURN_IF_ERROR(AddSteps(part, &steps));
  }
  YamlNode value;
  const absl::string_view text = assignment.substr(equals + 1);
  if (!text.empty()) {
    AHA_ASSIGN_OR_RETURN(value, ParseYamlValue(text, place));
  }
  value.place = place;
  YamlNode* node = root;
  for (const PathStep& step : steps) {
    AHA_ASSIGN_OR_RETURN(node, Descend(step, node, place));
  }
  *node = std::move(value);
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyOverride(absl::string_view assignment, YamlNode* root) {
  const std::string place = absl::StrCat("--set ", assignment);
  absl::Status status = Apply(assignment, place, root);
  if (status.ok() || absl::StrContains(status.message(), place)) return status;
  return Annotate(place, status);
}

}  // namespace aha
