// A few threads that run tasks in order of arrival.  The queue is not bounded
// here: the streams' credit bounds the number of tasks.
//
// Thread-safe.  The destructor waits for the tasks that run and drops those
// that have not begun.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace aha::reward {

class WorkerPool {
 public:
  explicit WorkerPool(int threads);  // REQUIRES: threads >= 1.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Run(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace aha::reward
