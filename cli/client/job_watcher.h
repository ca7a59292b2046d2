// The latest status of the job of a coordinator, from a stream that a thread of
// its own reads.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/client/admin_client.h"
#include "run/job_view.h"

namespace aha::cli {

// Reads until the job ends and connects again when the stream breaks.
//
// Thread-safe.  A caller that handles signals blocks them before it constructs
// this, since the thread inherits the mask.
class JobWatcher {
 public:
  explicit JobWatcher(AdminOptions options);
  ~JobWatcher();  // Stops within a second or so.
  JobWatcher(const JobWatcher&) = delete;
  JobWatcher& operator=(const JobWatcher&) = delete;

  // The latest status; nothing before the first.
  std::optional<run::JobView> Latest() const;
  // UNAVAILABLE if the stream has been broken for `limit`, with the reason.
  // OK if it stands or the job has ended.
  absl::Status LostFor(absl::Duration limit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::cli
