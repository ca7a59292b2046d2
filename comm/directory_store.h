// A key-value store in a directory that all ranks see, with one file for each
// key; ranks exchange their addresses through it before they are connected.
//
// A file appears whole (temporary and rename) and is never changed.
// Thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace aha::comm {

class DirectoryStore {
 public:
  // Makes the directory and its parents where they do not exist.
  static absl::StatusOr<DirectoryStore> Open(std::string directory);

  absl::Status Set(absl::string_view key, absl::string_view value) const;
  // Waits for the key; DEADLINE_EXCEEDED after `timeout`.
  absl::StatusOr<std::string> Get(absl::string_view key,
                                  absl::Duration timeout) const;

 private:
  explicit DirectoryStore(std::string directory)
      : directory_(std::move(directory)) {}
  std::string PathOf(absl::string_view key) const;

  std::string directory_;
};

}  // namespace aha::comm
