#include "job/file/problems.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace aha {
namespace {

constexpr size_t kMostProblems = 20;

}  // namespace

std::string ChildPath(absl::string_view path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

std::string ItemPath(absl::string_view path, int index) {
  return absl::StrCat(path, "[", index, "]");
}

void Problems::Add(absl::string_view path, absl::string_view text) {
  std::string line;
  for (absl::string_view around = path;;) {
    const auto found = places_->find(around);
    if (found != places_->end()) {
      line = absl::StrCat(found->second, ": ");
      break;
    }
    if (around.empty()) break;
    const size_t cut = around.find_last_of(".[");
    around = cut == absl::string_view::npos ? "" : around.substr(0, cut);
  }
  if (!path.empty()) absl::StrAppend(&line, path, ": ");
  lines_.push_back(absl::StrCat(line, text));
}

absl::Status Problems::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  if (lines_.size() <= kMostProblems) {
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }
  const std::vector<std::string> first(lines_.begin(),
                                       lines_.begin() + kMostProblems);
  return absl::InvalidArgumentError(
      absl::StrCat(absl::StrJoin(first, "\n"), "\nand ",
                   lines_.size() - kMostProblems, " more"));
}

}  // namespace aha
