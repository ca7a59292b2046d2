#include "base/file_system.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"

namespace aha {
namespace {

class OpenFile : public FileSystem::File {
 public:
  OpenFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~OpenFile() override {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  absl::Status Write(absl::string_view data) override {
    while (!data.empty()) {
      const ssize_t written = ::write(fd_, data.data(), data.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FileError("cannot write", path_, errno);
      data.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (::fsync(fd_) == 0) return absl::OkStatus();
    return FileError("cannot sync", path_, errno);
  }

  absl::Status Close() override {
    if (::close(std::exchange(fd_, -1)) == 0) return absl::OkStatus();
    return FileError("cannot close", path_, errno);
  }

 private:
  int fd_;
  const std::string path_;
};

class OperatingSystem : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Create(
      const std::string& path) override {
    return Open(path, O_TRUNC, "cannot create");
  }

  absl::StatusOr<std::unique_ptr<File>> OpenToAppend(
      const std::string& path) override {
    return Open(path, O_APPEND, "cannot open");
  }

  absl::Status Truncate(const std::string& path, uint64_t size) override {
    if (::truncate(path.c_str(), static_cast<off_t>(size)) == 0) {
      return absl::OkStatus();
    }
    return FileError("cannot cut", path, errno);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return FileError("cannot rename to", to, errno);
  }

  absl::Status Remove(const std::string& path) override {
    // ENOTDIR: a file is where its directory would be.
    if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) {
      return absl::OkStatus();
    }
    return FileError("cannot remove", path, errno);
  }

  absl::Status Sync(const std::string& path) override { return SyncPath(path); }

 private:
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                                    int mode,
                                                    absl::string_view what) {
    const int fd =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0644);
    if (fd < 0) return FileError(what, path, errno);
    return std::make_unique<OpenFile>(fd, path);
  }
};

enum class Durable { kNo, kYes };

absl::Status WriteNew(FileSystem& files, const std::string& path,
                      absl::Span<const absl::string_view> pieces,
                      Durable durable) {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<FileSystem::File> file,
                       files.Create(path));
  for (const absl::string_view piece : pieces) {
    AHA_RETURN_IF_ERROR(file->Write(piece));
  }
  if (durable == Durable::kYes) AHA_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

absl::Status WriteAndRename(FileSystem& files, const std::string& path,
                            absl::Span<const absl::string_view> pieces,
                            Durable durable) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  absl::Status status = WriteNew(files, temporary, pieces, durable);
  if (status.ok()) status = files.Rename(temporary, path);
  // A full disk gets its space back.
  if (!status.ok()) files.Remove(temporary).IgnoreError();
  return status;
}

bool EndsWithinLine(const std::string& path) {
  const absl::StatusOr<FileReader> file = FileReader::Open(path);
  char last = '\n';
  return file.ok() && file->size() > 0 &&
         file->ReadAt(file->size() - 1, &last, 1).ok() && last != '\n';
}

}  // namespace

FileSystem& RealFileSystem() {
  static OperatingSystem& files = *new OperatingSystem;
  return files;
}

absl::Status ReplaceFile(FileSystem& files, const std::string& path,
                         absl::string_view content) {
  return WriteAndRename(files, path, absl::MakeConstSpan(&content, 1),
                        Durable::kNo);
}

absl::Status WriteFileDurably(FileSystem& files, const std::string& path,
                              absl::Span<const absl::string_view> pieces) {
  AHA_RETURN_IF_ERROR(WriteAndRename(files, path, pieces, Durable::kYes));
  const std::string directory =
      std::filesystem::path(path).parent_path().string();
  return files.Sync(directory.empty() ? "." : directory);
}

absl::Status AppendLine(FileSystem& files, const std::string& path,
                        absl::string_view line) {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<FileSystem::File> file,
                       files.OpenToAppend(path));
  AHA_RETURN_IF_ERROR(
      file->Write(absl::StrCat(EndsWithinLine(path) ? "\n" : "", line, "\n")));
  return file->Close();
}

}  // namespace aha
