// The file system as a class that writes files takes it through its
// constructor, so that a test can put a disk that fills up in its place.
//
// It covers what can fail because a disk is full or broken: creating,
// appending, renaming, removing, syncing.  Reading stays in file_io.h, since a
// test can make a read fail by what it puts into the file.
//
// Errors name the path and the system's reason; a full disk is
// RESOURCE_EXHAUSTED.  Thread-safe, but for the files that it opens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

class FileSystem {
 public:
  // A file that is written front to back.  Its destructor closes it without
  // reporting errors.
  class File {
   public:
    virtual ~File() = default;
    // After an error a prefix of `data` may have been written.
    virtual absl::Status Write(absl::string_view data) = 0;
    virtual absl::Status Sync() = 0;
    virtual absl::Status Close() = 0;
  };

  virtual ~FileSystem() = default;

  // An empty file; what was there is lost.
  virtual absl::StatusOr<std::unique_ptr<File>> Create(
      const std::string& path) = 0;
  // The file is made if it does not exist.  Each Write goes to the end that the
  // file has at that moment, so several processes can append lines.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenToAppend(
      const std::string& path) = 0;
  virtual absl::Status Truncate(const std::string& path, uint64_t size) = 0;
  // Replaces `to` atomically.
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  // OK if there is no such file.
  virtual absl::Status Remove(const std::string& path) = 0;
  // Makes a file's content, or a directory's entries, survive a power cut.
  virtual absl::Status Sync(const std::string& path) = 0;
};

// The one of the operating system.
FileSystem& RealFileSystem();

// Writes a temporary file beside `path` and renames it, so that a reader sees
// the old or the new content whole.  After an error the old content is there
// and the temporary file is not.
absl::Status ReplaceFile(FileSystem& files, const std::string& path,
                         absl::string_view content);
// The same, and the new content survives a power cut once this returns OK.
// `pieces` are written one after the other.  If only the last thing fails, the
// sync of the directory, the new content is there whole; a power cut may bring
// the old one back.
absl::Status WriteFileDurably(FileSystem& files, const std::string& path,
                              absl::Span<const absl::string_view> pieces);
// Appends `line` and a newline by one write.  If the file ends in the middle
// of a line (its disk was full), the new line begins on a line of its own.
// Not synced.
absl::Status AppendLine(FileSystem& files, const std::string& path,
                        absl::string_view line);

}  // namespace aha
