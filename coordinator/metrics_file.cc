#include "coordinator/metrics_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/file_io.h"
#include "base/status.h"

namespace aha::coordinator {
namespace {

constexpr size_t kPiece = 1 << 20;

// Takes the wanted lines one after the other: compares them with the file up to
// the first that differs, and writes from there on.
class Matcher {
 public:
  Matcher(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~Matcher() { close(fd_); }
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  absl::Status Take(absl::string_view line) {
    if (matches_) {
      AHA_ASSIGN_OR_RETURN(matches_, ComesNext(line));
      if (matches_) {
        at_ += line.size();
        return absl::OkStatus();
      }
      AHA_RETURN_IF_ERROR(CutHere());
    }
    lacking_.append(line.data(), line.size());
    return lacking_.size() < kPiece ? absl::OkStatus() : Write();
  }

  absl::Status Finish() { return matches_ ? CutHere() : Write(); }

 private:
  absl::StatusOr<bool> ComesNext(absl::string_view line) {
    if (piece_.size() - (at_ - piece_at_) < line.size()) {
      AHA_RETURN_IF_ERROR(ReadPiece(std::max(kPiece, line.size())));
    }
    return absl::string_view(piece_).substr(at_ - piece_at_, line.size()) ==
           line;
  }

  absl::Status ReadPiece(size_t most) {
    piece_.resize(most);
    piece_at_ = at_;
    size_t filled = 0;
    while (filled < most) {
      const ssize_t got = pread(fd_, piece_.data() + filled, most - filled,
                                static_cast<off_t>(at_ + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FileError("cannot read", path_, errno);
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    piece_.resize(filled);
    return absl::OkStatus();
  }

  absl::Status CutHere() {
    struct stat now {};
    if (fstat(fd_, &now) == 0 && static_cast<uint64_t>(now.st_size) == at_) {
      return absl::OkStatus();
    }
    if (ftruncate(fd_, static_cast<off_t>(at_)) == 0) return absl::OkStatus();
    return FileError("cannot cut", path_, errno);
  }

  absl::Status Write() {
    absl::string_view left = lacking_;
    while (!left.empty()) {
      const ssize_t put =
          pwrite(fd_, left.data(), left.size(), static_cast<off_t>(at_));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return FileError("cannot write", path_, errno);
      at_ += static_cast<uint64_t>(put);
      left.remove_prefix(static_cast<size_t>(put));
    }
    lacking_.clear();
    return absl::OkStatus();
  }

  const int fd_;
  const std::string path_;
  uint64_t at_ = 0;    // Up to here the file is right.
  std::string piece_;  // Of the file, from piece_at_ on.
  uint64_t piece_at_ = 0;
  bool matches_ = true;  // So far.
  std::string lacking_;  // To be written at at_.
};

}  // namespace

absl::Status MatchMetrics(const std::string& path, StateStore& store,
                          uint32_t stage, uint64_t step) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("cannot open", path, errno);
  Matcher matcher(fd, path);
  AHA_RETURN_IF_ERROR(store.EachMetricsLine(
      stage, step,
      [&](const std::string& line) { return matcher.Take(line + "\n"); }));
  return matcher.Finish();
}

}  // namespace aha::coordinator
