#include "run/writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/status.h"
#include "run/events.h"
#include "run/layout.h"

namespace aha::run {
namespace {

constexpr size_t kPiece = 1 << 20;

// UNAVAILABLE where another attempt may succeed.
absl::Status Refusal(const std::string& what, int error) {
  const std::string text =
      absl::StrCat(what, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ESTALE:
      return absl::UnavailableError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

void WarnUnlessOk(const absl::Status& status) {
  if (!status.ok()) {
    AHA_LOG(kWarning) << std::string(status.message());
  }
}

// Makes a file hold the lines that it is given.  It compares them with the
// file's as long as they are equal, and writes from the first that differs.
class LineMatcher {
 public:
  LineMatcher(FileSystem& files, std::string path)
      : files_(files), path_(std::move(path)) {}

  absl::Status Open() {
    // An empty file is made where there was none.
    AHA_ASSIGN_OR_RETURN(file_, files_.OpenToAppend(path_));
    AHA_ASSIGN_OR_RETURN(FileReader reader, FileReader::Open(path_));
    reader_.emplace(std::move(reader));
    return absl::OkStatus();
  }

  absl::Status Take(absl::string_view line) {
    if (matches_) {
      AHA_ASSIGN_OR_RETURN(matches_, ComesNext(line));
      if (matches_) {
        at_ += line.size();
        return absl::OkStatus();
      }
      AHA_RETURN_IF_ERROR(CutHere());
    }
    missing_.append(line.data(), line.size());
    return missing_.size() < kPiece ? absl::OkStatus() : WriteMissing();
  }

  absl::Status Finish() {
    AHA_RETURN_IF_ERROR(matches_ ? CutHere() : WriteMissing());
    return file_->Close();
  }

 private:
  absl::StatusOr<bool> ComesNext(absl::string_view line) {
    if (piece_.size() - (at_ - piece_at_) < line.size()) {
      piece_at_ = at_;
      piece_.resize(std::min<uint64_t>(std::max(kPiece, line.size()),
                                       reader_->size() - at_));
      AHA_RETURN_IF_ERROR(reader_->ReadAt(at_, piece_.data(), piece_.size()));
    }
    return absl::string_view(piece_).substr(at_ - piece_at_, line.size()) ==
           line;
  }

  absl::Status CutHere() {
    if (reader_->size() == at_) return absl::OkStatus();
    return files_.Truncate(path_, at_);
  }

  absl::Status WriteMissing() {
    AHA_RETURN_IF_ERROR(file_->Write(missing_));
    missing_.clear();
    return absl::OkStatus();
  }

  FileSystem& files_;
  const std::string path_;
  std::unique_ptr<FileSystem::File> file_;
  std::optional<FileReader> reader_;
  uint64_t at_ = 0;    // The file is right up to here.
  std::string piece_;  // Bytes of the file, from piece_at_ on.
  uint64_t piece_at_ = 0;
  bool matches_ = true;  // No line has differed so far.
  std::string missing_;  // Lines to be appended.
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunWriter>> RunWriter::Open(
    const std::string& path, absl::string_view flag, FileSystem& files) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return Refusal(absl::StrCat(flag, ": cannot make ", path), error.value());
  }
  const std::string absolute = std::filesystem::canonical(path, error).string();
  if (error) {
    return Refusal(absl::StrCat(flag, ": ", path), error.value());
  }
  const std::string lock = absl::StrCat(absolute, "/", kCoordinatorLockFile);
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return Refusal(absl::StrCat(flag, ": cannot write in ", absolute), errno);
  }
  // The kernel drops the lock with the process, however that ends.
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat(flag, ": another coordinator works in ", absolute));
  }
  return std::unique_ptr<RunWriter>(new RunWriter(absolute, fd, files));
}

RunWriter::~RunWriter() { close(lock_fd_); }

std::string RunWriter::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::Status RunWriter::WriteWhole(absl::string_view name,
                                   absl::string_view text) {
  return WriteFileDurably(files_, File(name), absl::MakeConstSpan(&text, 1));
}

absl::Status RunWriter::AppendLine(absl::string_view name,
                                   absl::string_view line) {
  return aha::AppendLine(files_, File(name), line);
}

void RunWriter::Remove(absl::string_view name) {
  WarnUnlessOk(files_.Remove(File(name)));
}

void RunWriter::Event(absl::string_view event, absl::string_view text) {
  WarnUnlessOk(AppendLine(
      kEventsFile,
      EventLine({.time = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()),
                 .event = std::string(event),
                 .process = "",
                 .text = std::string(text)})));
}

absl::Status RunWriter::MatchMetrics(
    const std::function<absl::Status(const TakeLine& take)>& each) {
  LineMatcher matcher(files_, File(kMetricsFile));
  AHA_RETURN_IF_ERROR(matcher.Open());
  AHA_RETURN_IF_ERROR(each([&matcher](const std::string& line) {
    return matcher.Take(line + "\n");
  }));
  return matcher.Finish();
}

}  // namespace aha::run
