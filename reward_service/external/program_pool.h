// Judges completions by a program of the user's: some processes of it, each
// with a thread that gives it batches of completions.
//
//   ProgramPool pool({.label = "reward right (./judge)", .argv = {"./judge"},
//                     .clock = MonotonicClock()});
//   pool.Judge(completion, [](rewards::Verdict verdict) { ... });
//   pool.Stop();
//
// Whatever the program does, each completion gets one verdict within bounded
// time, and a failure of the program never is a score: it is kInfraError, whose
// evidence says what happened.  The process is killed then, with what it
// started, and another one is started after a while (`backoff`).
//
// With `isolate`, the completions of a batch that failed in this way are given
// to the program one by one, and one that alone makes it time out or end is
// kTimeout or kCrash, so that the job file can say what that is worth.  A
// program that has not answered anything yet is broken, and its failures stay
// kInfraError.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "reward_service/assembler.h"
#include "reward_service/external/program.h"
#include "rewards/verifier.h"

namespace aha::reward {

class ProgramPool {
 public:
  struct Options {
    std::string label;  // Names component and program in the log.
    std::vector<std::string> argv;
    int workers = 1;
    int batch_size = 16;
    absl::Duration timeout = absl::Seconds(60);  // For a batch.
    bool isolate = false;
    Backoff backoff = {absl::Milliseconds(100), absl::Seconds(5)};
    Clock clock;
  };
  // Called once, from any thread.
  using Done = std::function<void(rewards::Verdict)>;

  explicit ProgramPool(Options options);
  ~ProgramPool();  // Does what Stop does.
  ProgramPool(const ProgramPool&) = delete;
  ProgramPool& operator=(const ProgramPool&) = delete;

  void Judge(std::shared_ptr<const Completion> completion, Done done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the processes and the threads.  What has no verdict yet, and what
  // comes later, is kInfraError.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Task {
    std::shared_ptr<const Completion> completion;
    Done done;
    bool alone = false;  // A batch with it failed.
  };
  class Worker;

  // Waits for tasks; none if the pool stops.
  std::vector<Task> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReturnAlone(std::vector<Task> tasks) ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns after `duration` or when the pool stops.
  void Rest(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  int stop_fd_ = -1;  // An eventfd, readable once the pool stops.
  std::atomic<bool> answered_{false};  // One of the processes did, once.
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace aha::reward
