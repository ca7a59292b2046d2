// A fixed team of compute threads that run one loop at a time.
//
//   pool.For(rows, [&](int64_t row) { ... });
//
// The result of a loop must not depend on which thread runs which index: bodies
// write disjoint outputs, and reductions are over fixed blocks, never over
// threads. This rule makes results independent of the number of threads.
//
// Between loops the workers spin for a few microseconds (a decode step consists
// of hundreds of short loops) and then sleep, so that two processes can share
// the cores.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace aha {

class ThreadPool {
 public:
  // `threads` includes the thread that calls For. REQUIRES: threads >= 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs body(i) for every i in [0, count), each exactly once, and returns when
  // all are done. Indices are assigned dynamically. Only one thread may call
  // For at a time, and a body must not call it.
  void For(int64_t count, const std::function<void(int64_t)>& body);

 private:
  struct Team;
  std::unique_ptr<Team> team_;
};

}  // namespace aha
