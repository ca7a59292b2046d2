// The policy versions that are being served, as hashed bytes in files.
//
//   Begin --> Append (in order, each piece hashed) --> Finish: staged
//   staged --Commit--> visible --> Read ... --Drop--> gone
//
// A version is visible whole or not at all.  Finish verifies the checksum of
// all bytes and renames the file.  Publishing the same bytes again is harmless;
// other bytes under the same id are DATA_LOSS.  Only one piece at a time is in
// memory.  Files are not synced: after a crash the learner publishes again, so
// Open deletes what an earlier process left.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "job/ids.h"

namespace aha::coordinator {

constexpr size_t kMaxPieceBytes = 1 << 20;

struct VersionInfo {
  uint64_t bytes = 0;
  Hash128 checksum;
  friend bool operator==(const VersionInfo&, const VersionInfo&) = default;
};

// A version that is being received.  If it is dropped before Finish, its file
// is removed.  Owned by one thread at a time.
class IncomingVersion {
 public:
  ~IncomingVersion();
  IncomingVersion(const IncomingVersion&) = delete;
  IncomingVersion& operator=(const IncomingVersion&) = delete;

  const WeightsId& id() const { return id_; }
  const VersionInfo& info() const { return info_; }

  // INVALID_ARGUMENT: not the next offset, too large a piece, or beyond the
  // end.  DATA_LOSS: the hash differs.  RESOURCE_EXHAUSTED: the disk is full.
  absl::Status Append(uint64_t offset, absl::string_view data,
                      uint64_t data_hash);

 private:
  friend class WeightsStore;
  IncomingVersion(WeightsId id, VersionInfo info, std::string path, int fd);

  const WeightsId id_;
  const VersionInfo info_;
  const std::string path_;
  int fd_;
  uint64_t next_ = 0;
  Hasher hasher_;
};

// A version that is being read.  It stays readable after the store dropped it.
class VersionReader {
 public:
  ~VersionReader();
  VersionReader(const VersionReader&) = delete;
  VersionReader& operator=(const VersionReader&) = delete;

  const VersionInfo& info() const { return info_; }
  // At most kMaxPieceBytes from `offset` into *data; empty at the end.
  absl::Status Read(uint64_t offset, std::string* data) const;

 private:
  friend class WeightsStore;
  VersionReader(VersionInfo info, std::string path, int fd)
      : info_(info), path_(std::move(path)), fd_(fd) {}

  const VersionInfo info_;
  const std::string path_;  // For errors.
  const int fd_;
};

class WeightsStore {
 public:
  // Creates `directory`, or deletes the versions of an earlier process in it.
  static absl::StatusOr<std::unique_ptr<WeightsStore>> Open(
      const std::string& directory);

  absl::StatusOr<std::unique_ptr<IncomingVersion>> Begin(WeightsId id,
                                                         VersionInfo info);
  absl::Status Finish(std::unique_ptr<IncomingVersion> incoming);

  // A version that is staged or visible; nothing if it is not whole.
  std::optional<VersionInfo> Find(WeightsId id) const;
  // NOT_FOUND: it is not staged.  Idempotent.
  absl::Status Commit(WeightsId id);
  bool IsVisible(WeightsId id) const;
  // NOT_FOUND: not visible (any more).
  absl::StatusOr<std::unique_ptr<VersionReader>> Read(WeightsId id) const;

  // Drops every version below `oldest`, those of earlier stages too.
  void DropBelow(WeightsId oldest);
  void DropAll();

 private:
  struct Version {
    VersionInfo info;
    bool visible = false;
  };

  explicit WeightsStore(std::string directory)
      : directory_(std::move(directory)) {}
  std::string Path(WeightsId id) const;
  void DropIf(const std::function<bool(WeightsId)>& unwanted);

  const std::string directory_;
  mutable Mutex mutex_;
  uint64_t next_temporary_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<WeightsId, Version> versions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
