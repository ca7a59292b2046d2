// Functions and classes that read files and write them durably. Errors name the
// path and the system's reason; a full disk is RESOURCE_EXHAUSTED.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"

namespace aha {

// Returns "what path: reason" with the status code that fits `error`, an errno.
absl::Status FileError(absl::string_view what, const std::string& path,
                       int error);

// Writes a new file from front to back. Thread-compatible.
class FileWriter {
 public:
  static absl::StatusOr<FileWriter> Create(const std::string& path);
  ~FileWriter();
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;

  absl::Status Write(const void* data, size_t size);
  // Syncs and closes the file. Without it the file's content is not durable.
  absl::Status Finish();
  // Closes the file without a sync; the caller syncs it later, with SyncAll.
  absl::Status Close();

 private:
  FileWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

// Reads a regular file, from front to back or at any offset. Thread-compatible.
class FileReader {
 public:
  // Returns INVALID_ARGUMENT if it is not a regular file. It never blocks, not
  // even on a pipe without a writer.
  static absl::StatusOr<FileReader> Open(const std::string& path);
  ~FileReader();
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // Size at the time of Open.
  // Fills `data` completely; DATA_LOSS if the file ends before.
  absl::Status Read(void* data, size_t size);
  // Does the same from byte `offset` on, without moving Read's position.
  absl::Status ReadAt(uint64_t offset, void* data, size_t size) const;
  // Returns what Read has not returned yet; INVALID_ARGUMENT if that is more
  // than `limit` bytes. It also works for files that grow and for those in
  // /proc, whose size() is 0.
  absl::StatusOr<std::string> ReadToEnd(uint64_t limit);

 private:
  FileReader(int fd, std::string path, uint64_t size)
      : fd_(fd), path_(std::move(path)), size_(size) {}
  int fd_;
  std::string path_;
  uint64_t size_;
  uint64_t next_ = 0;  // Position of the next Read.
};

// The functions of file_system.h on the operating system's file system.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);
absl::Status WriteFileDurably(const std::string& path,
                              absl::string_view content);
absl::Status WriteFileDurably(const std::string& path,
                              absl::Span<const absl::string_view> pieces);
absl::Status AppendLine(const std::string& path, absl::string_view line);
// Returns the content of a regular file; INVALID_ARGUMENT if it has more than
// `limit` bytes or is not a regular file.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          uint64_t limit = uint64_t{1} << 30);
// Does the same, but returns "" if there is no such file.
absl::StatusOr<std::string> ReadFileIfThere(const std::string& path,
                                            uint64_t limit);
// Syncs a file or directory that is already written.
absl::Status SyncPath(const std::string& path);
// Syncs several at once, so that the file system can commit them together.
absl::Status SyncAll(const std::vector<std::string>& paths);

}  // namespace aha
