// Delivers SIGTERM and SIGINT as calls on an ordinary thread and logs them.
//
//   const SignalWatcher watcher([&](int) { server.Stop(); });
//
// Construct it first in main, before any other thread starts: it blocks the
// signals in the whole process, and one thread reads them. They stay blocked
// when it is gone.  SIGPIPE and SIGXFSZ are ignored, so that a peer that is
// gone and a file at its size limit are errors of the calls that meet them.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"

namespace aha::rpc {

// What a signal does that arrives a second or more after the first. (An earlier
// one may be the same request, sent both to the process and to its process
// group.)
enum class SignalAgain {
  kIsACall,  // It calls on_signal again.
  // It ends the process at once with exit code 128 + its number.
  kEndsTheProcess
};

class SignalWatcher {
 public:
  // `on_signal(number)` is called for each signal, on the watcher's thread.
  // `clock` tells how far apart two signals are.
  explicit SignalWatcher(std::function<void(int)> on_signal,
                         SignalAgain again = SignalAgain::kIsACall,
                         Clock clock = MonotonicClock());
  ~SignalWatcher();  // `on_signal` is not called afterwards.
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::rpc
