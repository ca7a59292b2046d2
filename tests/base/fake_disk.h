// A file system in memory whose operations fail one at a time, and whose power
// can be cut: only what was synced is sure to be there afterwards.
//
//   FakeDisk disk;
//   disk.FailAt(3);        // The fourth operation fails.
//   disk.CutPowerAt(3);    // It and all later ones fail, and the memory is
//   lost. disk.Restart(FakeDisk::Names::kWritten);
//
// Operations are numbered from 0: Create, OpenToAppend, Write, Sync of a file,
// Close, Truncate, Rename, Remove, Sync of a path.  Owned by one thread.
#pragma once

#include <cerrno>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/file_io.h"
#include "base/file_system.h"
#include "base/status.h"

namespace aha {

class FakeDisk : public FileSystem {
 public:
  // What became of names that were not synced: a kernel may write them at any
  // moment, or not before the power is cut.
  enum class Names { kWritten, kLost };

  void FailAt(int operation) { fail_at_ = next_ + operation; }
  void CutPowerAt(int operation) { cut_at_ = next_ + operation; }
  // How many operations there were so far.
  int operations() const { return next_; }

  void Restart(Names names) {
    if (names == Names::kLost) names_ = synced_names_;
    for (const auto& [name, file] : names_) file->text = file->synced;
    synced_names_ = names_;
    cut_at_ = fail_at_ = std::numeric_limits<int>::max();
  }
  bool Has(const std::string& path) const { return names_.count(path) > 0; }
  std::string Text(const std::string& path) const {
    const auto found = names_.find(path);
    return found == names_.end() ? "(no file)" : found->second->text;
  }

  absl::StatusOr<std::unique_ptr<File>> Create(
      const std::string& path) override {
    AHA_RETURN_IF_ERROR(Count("cannot create", path));
    std::shared_ptr<Content>& file = names_[path];
    if (file == nullptr) file = std::make_shared<Content>();
    file->text.clear();
    return std::make_unique<Open>(this, file, path);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenToAppend(
      const std::string& path) override {
    AHA_RETURN_IF_ERROR(Count("cannot open", path));
    std::shared_ptr<Content>& file = names_[path];
    if (file == nullptr) file = std::make_shared<Content>();
    return std::make_unique<Open>(this, file, path);
  }
  absl::Status Truncate(const std::string& path, uint64_t size) override {
    AHA_RETURN_IF_ERROR(Count("cannot cut", path));
    if (!Has(path)) return FileError("cannot cut", path, ENOENT);
    names_[path]->text.resize(size);
    return absl::OkStatus();
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    AHA_RETURN_IF_ERROR(Count("cannot rename to", to));
    if (!Has(from)) return FileError("cannot rename to", to, ENOENT);
    names_[to] = names_[from];
    names_.erase(from);
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& path) override {
    AHA_RETURN_IF_ERROR(Count("cannot remove", path));
    names_.erase(path);
    return absl::OkStatus();
  }
  absl::Status Sync(const std::string& path) override {
    AHA_RETURN_IF_ERROR(Count("cannot sync", path));
    if (Has(path)) {
      names_[path]->synced = names_[path]->text;
      return absl::OkStatus();
    }
    // A directory: its entries are those that are there and those that went.
    const auto inside = [&path](const std::string& name) {
      const std::string parent =
          std::filesystem::path(name).parent_path().string();
      return (parent.empty() ? "." : parent) == path;
    };
    std::erase_if(synced_names_,
                  [&](const auto& entry) { return inside(entry.first); });
    for (const auto& entry : names_) {
      if (inside(entry.first)) synced_names_.insert(entry);
    }
    return absl::OkStatus();
  }

 private:
  struct Content {
    std::string text;    // As processes see it.
    std::string synced;  // As it is after a power cut.
  };
  struct Open : File {
    Open(FakeDisk* d, std::shared_ptr<Content> c, std::string p)
        : disk(d), content(std::move(c)), path(std::move(p)) {}
    absl::Status Write(absl::string_view data) override {
      const absl::Status counted = disk->Count("cannot write", path);
      // Half of what does not fit has been written.
      const size_t size = counted.ok() ? data.size() : data.size() / 2;
      content->text.append(data.data(), size);
      return counted;
    }
    absl::Status Sync() override {
      AHA_RETURN_IF_ERROR(disk->Count("cannot sync", path));
      content->synced = content->text;
      return absl::OkStatus();
    }
    absl::Status Close() override { return disk->Count("cannot close", path); }
    FakeDisk* disk;
    std::shared_ptr<Content> content;
    std::string path;
  };

  absl::Status Count(absl::string_view what, const std::string& path) {
    const int operation = next_++;
    if (operation != fail_at_ && operation < cut_at_) return absl::OkStatus();
    return FileError(what, path, operation == fail_at_ ? ENOSPC : EIO);
  }

  std::map<std::string, std::shared_ptr<Content>> names_;
  std::map<std::string, std::shared_ptr<Content>> synced_names_;
  int next_ = 0;
  int fail_at_ = std::numeric_limits<int>::max();
  int cut_at_ = std::numeric_limits<int>::max();
};

}  // namespace aha
