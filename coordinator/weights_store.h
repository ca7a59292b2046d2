// Holds versions of the weights for the actors, as hashed bytes in files.
//
//   1. Begin opens a transfer; Append takes its chunks in order and verifies
//      the hash of each.
//   2. Finish verifies the checksum of the whole: the version is staged.
//   3. Commit makes the version visible: Read serves it.
//   4. DropBelow removes versions that are no longer sampled with.
//
// A version can be held in several encodings (a WeightsKey names one of them).
// Each is staged whole or not at all; all of them become visible together.
// Publishing the same bytes again is harmless; other bytes under the same key
// are DATA_LOSS.  At most one chunk of a transfer is in memory.  Nothing is
// synced: after a crash the learner publishes again, so Open deletes what an
// earlier process left.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aha/v1/weights.pb.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "job/ids.h"
#include "job/weights_encoding.h"

namespace aha::coordinator {

// One encoding of a version.  An id alone stands for the version itself.
struct WeightsKey {
  // Implicit, so that code that knows no encodings passes an id.
  WeightsKey(WeightsId of,  // NOLINT(google-explicit-constructor)
             v1::WeightsEncoding as = v1::WEIGHTS_ENCODING_FULL)
      : id(of), encoding(as) {}

  // "weights 1.30", "weights 1.30 as DELTA".
  std::string ToString() const;
  friend auto operator<=>(const WeightsKey&, const WeightsKey&) = default;

  WeightsId id;
  v1::WeightsEncoding encoding;
};

struct VersionInfo {
  uint64_t bytes = 0;
  Hash128 checksum;
  friend bool operator==(const VersionInfo&, const VersionInfo&) = default;
};

// A transfer under way.  Destroying it before Finish removes its file.
// Thread-compatible.
class IncomingVersion {
 public:
  ~IncomingVersion();
  IncomingVersion(const IncomingVersion&) = delete;
  IncomingVersion& operator=(const IncomingVersion&) = delete;

  const WeightsId& id() const { return key_.id; }
  const WeightsKey& key() const { return key_; }
  const VersionInfo& info() const { return info_; }

  // INVALID_ARGUMENT: the chunk does not begin at the next offset, is larger
  // than kMaxWeightsChunk, or ends beyond the version.  DATA_LOSS: the hash
  // differs.  RESOURCE_EXHAUSTED: the disk is full.
  absl::Status Append(uint64_t offset, absl::string_view data,
                      uint64_t data_hash);

 private:
  friend class WeightsStore;
  IncomingVersion(WeightsKey key, VersionInfo info, std::string path, int fd);

  const WeightsKey key_;
  const VersionInfo info_;
  const std::string path_;
  int fd_;
  uint64_t next_ = 0;
  Hasher hasher_;
};

// Reads one version; it stays readable after the store dropped it.
// Thread-safe.
class VersionReader {
 public:
  ~VersionReader();
  VersionReader(const VersionReader&) = delete;
  VersionReader& operator=(const VersionReader&) = delete;

  const VersionInfo& info() const { return info_; }
  // Reads at most kMaxWeightsChunk from `offset` into *data; none at the end.
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

  absl::StatusOr<std::unique_ptr<IncomingVersion>> Begin(WeightsKey key,
                                                         VersionInfo info);
  absl::Status Finish(std::unique_ptr<IncomingVersion> incoming);

  // What is known of a staged or visible version; nullopt if it is not held
  // whole.
  std::optional<VersionInfo> Find(WeightsKey key) const;
  // Makes every encoding of `id` visible, those that are staged later too.
  // NOT_FOUND: the version itself (FULL) is not staged.  Idempotent.
  absl::Status Commit(WeightsId id);
  bool IsVisible(WeightsId id) const;
  // NOT_FOUND: not visible, or no longer held.
  absl::StatusOr<std::unique_ptr<VersionReader>> Read(WeightsKey key) const;

  // Forgets every version below `oldest`, those of earlier stages too.
  void DropBelow(WeightsId oldest);
  void DropAll();

 private:
  explicit WeightsStore(std::string directory)
      : directory_(std::move(directory)) {}
  std::string Path(WeightsKey key) const;
  void DropIf(const std::function<bool(WeightsId)>& unwanted);

  const std::string directory_;
  mutable Mutex mutex_;
  uint64_t next_temporary_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<WeightsKey, VersionInfo> held_ ABSL_GUARDED_BY(mutex_);
  std::set<WeightsId> visible_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
