#include "cli/client/job_watcher.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "base/cancellation.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace aha::cli {

struct JobWatcher::State {
  AdminOptions options;
  mutable Mutex mutex;
  std::optional<run::JobView> latest ABSL_GUARDED_BY(mutex);
  // Why the stream broke; OK while it stands.
  absl::Status broken ABSL_GUARDED_BY(mutex);
  absl::Time broken_since ABSL_GUARDED_BY(mutex);
  const Clock clock = MonotonicClock();
  std::unique_ptr<AdminClient> client;
  rpc::Cancellation stop;
  std::thread thread;

  void Run() {
    const uint64_t jitter_key = JitterKey("watch");
    int failures = 0;
    while (!stop.cancelled()) {
      const absl::Status ended =
          client->WatchJob([this, &failures](const run::JobView& job) {
            failures = 0;
            MutexLock lock(mutex);
            latest = job;
            broken = absl::OkStatus();
            return true;
          });
      {
        MutexLock lock(mutex);
        if (latest.has_value() && run::IsEndState(latest->state)) return;
        if (broken.ok()) broken_since = clock();
        broken = ended.ok() ? absl::UnavailableError("it stopped") : ended;
      }
      stop.SleepFor(kReconnectBackoff.Wait(failures++, jitter_key));
    }
  }
};

JobWatcher::JobWatcher(AdminOptions options) : state_(new State) {
  state_->options = std::move(options);
  absl::StatusOr<std::unique_ptr<AdminClient>> client =
      AdminClient::New(state_->options);
  if (!client.ok()) return;  // Latest() stays empty.
  state_->client = *std::move(client);
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

JobWatcher::~JobWatcher() {
  state_->stop.Cancel();
  if (state_->client) state_->client->Cancel();
  if (state_->thread.joinable()) state_->thread.join();
}

std::optional<run::JobView> JobWatcher::Latest() const {
  MutexLock lock(state_->mutex);
  return state_->latest;
}

absl::Status JobWatcher::LostFor(absl::Duration limit) const {
  MutexLock lock(state_->mutex);
  if (state_->broken.ok() || state_->clock() - state_->broken_since < limit) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      "lost the coordinator at ", state_->options.address, " ",
      absl::FormatDuration(limit), " ago: ", state_->broken.message()));
}

}  // namespace aha::cli
