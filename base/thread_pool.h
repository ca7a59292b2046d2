// A fixed team of compute threads that work on one loop at a time.
//
//   pool.For(rows, [&](int64_t row) { ... });
//
// The result of a loop must not depend on who runs which index: bodies write
// disjoint outputs, and reductions are over fixed blocks, never over threads.
// That rule is what makes results independent of the number of threads.
//
// Between loops workers spin for a few microseconds (a decode step is hundreds
// of short loops) and then sleep, so that two processes can share the cores.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace aha {

class ThreadPool {
 public:
  // `threads` includes the caller of For.  REQUIRES: threads >= 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs body(i) for every i in [0, count), each exactly once, and returns
  // when all are done.  Indices are handed out dynamically.  One caller at a
  // time; a body must not call For.
  void For(int64_t count, const std::function<void(int64_t)>& body);

 private:
  struct Team;
  std::unique_ptr<Team> team_;
};

}  // namespace aha
