// Runs a function before SIGINT, SIGTERM or SIGHUP ends this process, for a
// program that would leave a temporary directory behind.
//
//   1. The signal handler wakes a thread, since a handler may do next to
//      nothing itself.
//   2. The thread calls the function.
//   3. The thread restores the signal's default action and raises it again, so
//      the parent sees that the signal ended the process.
//
// A signal that is ignored, as under nohup, stays ignored.  At most one
// SignalCleanup may exist at a time.
#pragma once

#include <functional>
#include <memory>

namespace aha {

class SignalCleanup {
 public:
  explicit SignalCleanup(std::function<void()> cleanup);
  // From here on the signals act as they did before.
  ~SignalCleanup();
  SignalCleanup(const SignalCleanup&) = delete;
  SignalCleanup& operator=(const SignalCleanup&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha
