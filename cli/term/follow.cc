#include "cli/term/follow.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/term/exit_code.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(200);

struct Tail {
  FollowedFile file;
  off_t offset = 0;
  std::string partial;  // The beginning of a line that is not complete yet.
};

// What was appended since the last call.
std::string ReadNew(Tail* tail) {
  const int fd = ::open(tail->file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  if (::lseek(fd, 0, SEEK_END) < tail->offset) {
    tail->offset = 0;
    tail->partial.clear();  // Its end went with the old content.
  }
  std::string text;
  char buffer[1 << 16];
  ssize_t got;
  while ((got = ::pread(fd, buffer, sizeof(buffer), tail->offset)) > 0) {
    text.append(buffer, static_cast<size_t>(got));
    tail->offset += got;
  }
  ::close(fd);
  return text;
}

std::vector<std::string> NewLines(Tail* tail) {
  const std::string added = ReadNew(tail);
  const std::string text = tail->partial + added;
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  tail->partial = std::move(lines.back());
  lines.pop_back();
  return lines;
}

}  // namespace

int PrintTails(const std::vector<FollowedFile>& files, int lines, bool follow,
               const PrintLine& print) {
  std::vector<Tail> tails;
  for (const FollowedFile& file : files) {
    Tail& tail = tails.emplace_back();
    tail.file = file;
    std::vector<std::string> all = NewLines(&tail);
    if (!follow && !tail.partial.empty()) all.push_back(tail.partial);
    const size_t skip =
        all.size() - std::min(all.size(), static_cast<size_t>(lines));
    for (size_t i = skip; i < all.size(); ++i) print(tail.file, all[i]);
  }
  while (follow) {
    std::fflush(stdout);
    if (std::ferror(stdout) != 0) break;
    absl::SleepFor(kPollInterval);
    for (Tail& tail : tails) {
      for (const std::string& line : NewLines(&tail)) print(tail.file, line);
    }
  }
  return kExitDone;
}

}  // namespace aha::cli
