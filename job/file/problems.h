// What is wrong with a job, and where; internal to job/.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace aha {

// Key path ("stages[1].grpo") -> place ("recipes/x.yaml:12" or "--set ...").
using Places = std::map<std::string, std::string, std::less<>>;

// "stages[1]" + "grpo" = "stages[1].grpo".
std::string ChildPath(absl::string_view path, absl::string_view key);
std::string ItemPath(absl::string_view path, int index);

class Problems {
 public:
  // `places` must outlive it; may be empty.
  explicit Problems(const Places* places) : places_(places) {}

  // `text` says the rule and the value.  The place is the path's own or that
  // of the nearest key around it.
  void Add(absl::string_view path, absl::string_view text);
  bool empty() const { return lines_.empty(); }
  // All of them, a line each.
  absl::Status ToStatus() const;

 private:
  const Places* places_;
  std::vector<std::string> lines_;
};

}  // namespace aha
