#include "job/config_errors.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace aha {
namespace {

constexpr size_t kMaxErrorsShown = 20;

}  // namespace

std::string ChildPath(absl::string_view path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

std::string ItemPath(absl::string_view path, int index) {
  return absl::StrCat(path, "[", index, "]");
}

std::string NumberText(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, end.ptr);
}

std::string ConfigErrors::PlaceOf(absl::string_view path) const {
  if (places_ == nullptr) return "";
  for (absl::string_view around = path;;) {
    const auto found = places_->find(around);
    if (found != places_->end()) return found->second;
    if (around.empty()) return "";
    const size_t cut = around.find_last_of(".[");
    around = cut == absl::string_view::npos ? "" : around.substr(0, cut);
  }
}

void ConfigErrors::Add(absl::string_view path, absl::string_view text) {
  std::string line = PlaceOf(path);
  if (!line.empty()) absl::StrAppend(&line, ": ");
  if (!path.empty()) absl::StrAppend(&line, path, ": ");
  absl::StrAppend(&line, text);
  if (std::find(lines_.begin(), lines_.end(), line) == lines_.end()) {
    lines_.push_back(std::move(line));
  }
}

absl::Status ConfigErrors::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  if (lines_.size() <= kMaxErrorsShown) {
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }
  const std::vector<std::string> first(lines_.begin(),
                                       lines_.begin() + kMaxErrorsShown);
  return absl::InvalidArgumentError(
      absl::StrCat(absl::StrJoin(first, "\n"), "\nand ",
                   lines_.size() - kMaxErrorsShown, " more"));
}

}  // namespace aha
