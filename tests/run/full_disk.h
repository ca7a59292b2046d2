// A file system whose disk takes only so many more bytes.
#pragma once

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "base/file_io.h"
#include "base/file_system.h"

namespace aha {

// Everything happens on the real disk, but a write that goes beyond `room`
// bytes is cut there and fails, as does each later one.
class FullDisk : public FileSystem {
 public:
  explicit FullDisk(size_t room) : room_(room) {}

  void SetRoom(size_t room) { room_ = room; }

  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& p) override {
    return Limit(RealFileSystem().Create(p), p);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenToAppend(
      const std::string& p) override {
    return Limit(RealFileSystem().OpenToAppend(p), p);
  }
  absl::Status Truncate(const std::string& p, uint64_t size) override {
    return RealFileSystem().Truncate(p, size);
  }
  absl::Status Rename(const std::string& a, const std::string& b) override {
    return RealFileSystem().Rename(a, b);
  }
  absl::Status Remove(const std::string& p) override {
    return RealFileSystem().Remove(p);
  }
  absl::Status Sync(const std::string&) override { return absl::OkStatus(); }

 private:
  struct Limited : File {
    absl::Status Write(absl::string_view data) override {
      const size_t fits = std::min(data.size(), *room);
      *room -= fits;
      absl::Status written = file->Write(data.substr(0, fits));
      if (!written.ok() || fits == data.size()) return written;
      *room = 0;
      return FileError("cannot write", path, ENOSPC);
    }
    absl::Status Sync() override { return absl::OkStatus(); }
    absl::Status Close() override { return file->Close(); }
    size_t* room = nullptr;
    std::unique_ptr<File> file;
    std::string path;
  };
  absl::StatusOr<std::unique_ptr<File>> Limit(
      absl::StatusOr<std::unique_ptr<File>> file, const std::string& path) {
    if (!file.ok()) return file;
    auto limited = std::make_unique<Limited>();
    limited->room = &room_;
    limited->file = *std::move(file);
    limited->path = path;
    return limited;
  }

  size_t room_;
};

}  // namespace aha
