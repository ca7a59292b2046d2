// Internal to comm/: a DirectoryStore as Gloo's rendezvous wants it.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "comm/directory_store.h"
#include "gloo/common/error.h"
#include "gloo/rendezvous/store.h"

namespace aha::comm {

// Waits until a deadline of ours instead of Gloo's 30 s.
class GlooStore : public gloo::rendezvous::Store {
 public:
  GlooStore(const DirectoryStore* store, absl::Time deadline)
      : store_(store), deadline_(deadline) {}

  void set(const std::string& key, const std::vector<char>& data) override {
    const absl::Status status =
        store_->Set(key, absl::string_view(data.data(), data.size()));
    if (!status.ok()) GLOO_THROW_IO_EXCEPTION(status.ToString());
  }

  std::vector<char> get(const std::string& key) override {
    const absl::StatusOr<std::string> value = store_->Get(
        key, std::max(deadline_ - MonotonicClock()(), absl::ZeroDuration()));
    if (!value.ok()) {
      GLOO_THROW_IO_EXCEPTION("Timed out: rank ", key,
                              " did not come: ", value.status().ToString());
    }
    return {value->begin(), value->end()};
  }

  void wait(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) get(key);
  }
  void wait(const std::vector<std::string>& keys,
            const std::chrono::milliseconds&) override {
    wait(keys);
  }

 private:
  const DirectoryStore* store_;
  const absl::Time deadline_;
};

}  // namespace aha::comm
