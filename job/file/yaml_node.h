// A YAML document as a tree that remembers where everything stood; internal to
// job/.
//
// Anchors, aliases and tags are refused: a job file needs none, and aliases
// make small files expand without bound.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string place;  // "recipes/x.yaml:12"
  std::string scalar;
  bool quoted = false;
  std::vector<YamlNode> items;    // Elements of a list, or the values of a map
  std::vector<std::string> keys;  // whose names are these.

  // "a list", for errors.
  absl::string_view KindName() const;
  // The last value of that key, or null.
  YamlNode* Find(absl::string_view key);
};

// One document of valid UTF-8 text.  Errors are "name:line: what".
absl::StatusOr<YamlNode> ParseYaml(absl::string_view text,
                                   absl::string_view name);

// Does what ParseYaml does, but every node's place is `place`.
absl::StatusOr<YamlNode> ParseYamlValue(absl::string_view text,
                                        absl::string_view place);

}  // namespace aha
