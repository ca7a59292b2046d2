#include "cli/local/failure.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/term/text.h"

namespace aha::cli {

std::vector<std::string> RenderFailure(const ClusterFailure& failure,
                                       const std::string& resume_command) {
  std::vector<std::string> lines = {
      absl::StrCat(failure.process, ": ", failure.how,
                   failure.reason.empty() ? "" : "; ", failure.reason)};
  for (const std::string& line : failure.log_tail) {
    lines.push_back(absl::StrCat("  | ", OneLine(line)));
  }
  if (!failure.log_path.empty()) {
    lines.push_back(absl::StrCat("  log: ", failure.log_path));
  }
  if (!resume_command.empty()) {
    lines.push_back(absl::StrCat("  continue with: ", resume_command));
  }
  return lines;
}

std::vector<std::string> LogTail(const std::string& path, int lines,
                                 int64_t begin) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  constexpr off_t kWindow = 1 << 16;
  const off_t size = ::lseek(fd, 0, SEEK_END);
  begin = std::min<int64_t>(std::max<int64_t>(begin, size - kWindow), size);
  std::string text(static_cast<size_t>(size - begin), '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), begin);
  ::close(fd);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  std::vector<std::string> all =
      absl::StrSplit(text, '\n', absl::SkipWhitespace());
  if (all.size() > static_cast<size_t>(lines)) {
    all.erase(all.begin(), all.end() - lines);
  }
  return all;
}

}  // namespace aha::cli
