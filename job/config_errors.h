// The config errors of a job: a list of what is wrong with it, each error with
// the key that it is about and the place where the user wrote that key.
//
//   ConfigErrors errors(&places);
//   errors.Add("stages[1].grpo.steps", "must be at least 1, got 0");
//   return errors.ToStatus();
//   // recipes/x.yaml:12: stages[1].grpo.steps: must be at least 1, got 0
//
// All checks of a job add to one list, so that the user sees all errors at
// once.  Thread-compatible.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace aha {

// Maps the path of a key ("stages[1].grpo") to the place where it was set
// ("recipes/x.yaml:12" or "--set ...").
using Places = std::map<std::string, std::string, std::less<>>;

// ChildPath("stages[1]", "grpo") is "stages[1].grpo".
std::string ChildPath(absl::string_view path, absl::string_view key);
// ItemPath("stages", 1) is "stages[1]".
std::string ItemPath(absl::string_view path, int index);

// A number as it would stand in a job file, 0.2 as "0.2": the fewest digits
// that read back as the same number.
std::string NumberText(double value);

class ConfigErrors {
 public:
  // Errors without places, for a job that was not read from a file.
  ConfigErrors() = default;
  // `places` must outlive this.
  explicit ConfigErrors(const Places* places) : places_(places) {}

  // `text` says the rule and the value that breaks it.  The place is that of
  // `path` or, if it has none, of the nearest key around it.  An error that is
  // in the list already is not added again: several stages may share a key.
  void Add(absl::string_view path, absl::string_view text);
  bool empty() const { return lines_.empty(); }
  // OK if the list is empty; else INVALID_ARGUMENT with a line for each error.
  // Only the first 20 errors are shown; the others are counted.
  absl::Status ToStatus() const;

 private:
  std::string PlaceOf(absl::string_view path) const;

  const Places* places_ = nullptr;
  std::vector<std::string> lines_;
};

}  // namespace aha
