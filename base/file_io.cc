// Implements base/file_io.h with POSIX calls. A file survives a power cut once
// its data and the directory that holds its name are synced; WriteFileDurably
// does both.
#include "base/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file_system.h"
#include "base/status.h"

namespace aha {

absl::Status FileError(absl::string_view what, const std::string& path,
                       int error) {
  const std::string text =
      absl::StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(text);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<FileWriter> FileWriter::Create(const std::string& path) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("cannot create", path, errno);
  return FileWriter(fd, path);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status FileWriter::Write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd_, from, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError("cannot write", path_, errno);
    }
    // A write may be short, for example when the disk becomes full.
    from += written;
    size -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status FileWriter::Finish() {
  if (::fsync(fd_) != 0) return FileError("cannot sync", path_, errno);
  return Close();
}

absl::Status FileWriter::Close() {
  if (::close(std::exchange(fd_, -1)) != 0) {
    return FileError("cannot close", path_, errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<FileReader> FileReader::Open(const std::string& path) {
  // O_NONBLOCK keeps open() from waiting for the writer of a pipe.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  // A socket cannot even be opened.
  if (fd < 0 && errno != ENXIO) return FileError("cannot open", path, errno);
  struct stat info;
  if (fd < 0 || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    if (fd >= 0) ::close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": not a regular file"));
  }
  return FileReader(fd, path, static_cast<uint64_t>(info.st_size));
}

FileReader::FileReader(FileReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      size_(other.size_),
      next_(other.next_) {}

FileReader::~FileReader() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status FileReader::Read(void* data, size_t size) {
  AHA_RETURN_IF_ERROR(ReadAt(next_, data, size));
  next_ += size;
  return absl::OkStatus();
}

absl::Status FileReader::ReadAt(uint64_t offset, void* data,
                                size_t size) const {
  char* to = static_cast<char*>(data);
  // Such a range is beyond the end of any file, and pread would call it
  // invalid.
  constexpr uint64_t kMost = std::numeric_limits<off_t>::max();
  if (size > 0 && (offset > kMost || size > kMost - offset)) {
    return absl::DataLossError(
        absl::StrCat(path_, " ends ", size, " bytes too early"));
  }
  while (size > 0) {
    const ssize_t got = ::pread(fd_, to, size, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return FileError("cannot read", path_, errno);
    }
    // The range reaches beyond the end: the file may have become shorter since
    // Open.
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat(path_, " ends ", size, " bytes too early"));
    }
    to += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FileReader::ReadToEnd(uint64_t limit) {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::pread(fd_, buffer, sizeof(buffer),
                                static_cast<off_t>(next_ + text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("cannot read", path_, errno);
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
    // This is checked inside the loop because size() may be 0 or out of date.
    if (text.size() > limit) {
      const uint64_t known = size_ - std::min(size_, next_);
      return absl::InvalidArgumentError(
          absl::StrCat(path_, " must have at most ", limit, " bytes, has ",
                       std::max<uint64_t>(known, text.size())));
    }
  }
  next_ += text.size();
  return text;
}

absl::Status SyncPath(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", path, errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0) return FileError("cannot sync", path, error);
  return absl::OkStatus();
}

absl::Status SyncAll(const std::vector<std::string>& paths) {
  // Concurrent fsyncs let the file system commit its journal once for all
  // files.
  std::vector<absl::Status> statuses(paths.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < paths.size(); ++i) {
    threads.emplace_back([&, i] { statuses[i] = SyncPath(paths[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) AHA_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::Status ReplaceFile(const std::string& path, absl::string_view content) {
  return ReplaceFile(RealFileSystem(), path, content);
}

absl::Status WriteFileDurably(const std::string& path,
                              absl::string_view content) {
  return WriteFileDurably(path, absl::MakeConstSpan(&content, 1));
}

absl::Status WriteFileDurably(const std::string& path,
                              absl::Span<const absl::string_view> pieces) {
  return WriteFileDurably(RealFileSystem(), path, pieces);
}

absl::Status AppendLine(const std::string& path, absl::string_view line) {
  return AppendLine(RealFileSystem(), path, line);
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          uint64_t limit) {
  AHA_ASSIGN_OR_RETURN(FileReader file, FileReader::Open(path));
  return file.ReadToEnd(limit);
}

absl::StatusOr<std::string> ReadFileIfThere(const std::string& path,
                                            uint64_t limit) {
  absl::StatusOr<std::string> text = ReadWholeFile(path, limit);
  if (absl::IsNotFound(text.status())) return "";
  return text;
}

}  // namespace aha
