// SIGTERM and SIGINT as a call on an ordinary thread, with a line in the log.
//
// Construct first thing in main, before any thread: the signals are blocked in
// the whole process and read by one thread.  SIGPIPE is ignored.
#pragma once

#include <functional>
#include <memory>

namespace aha::rpc {

// What a signal does that comes a second or later after the first.  (Sooner it
// may be the same request, to the process and to its group.)
enum class SignalAgain {
  kIsACall,        // As the first.
  kEndsTheProcess  // At once, with code 128 + its number.
};

class SignalWatcher {
 public:
  // `on_signal(number)` runs at each signal, on the watcher's thread.
  explicit SignalWatcher(std::function<void(int)> on_signal,
                         SignalAgain again = SignalAgain::kIsACall);
  ~SignalWatcher();  // No call after it.
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::rpc
