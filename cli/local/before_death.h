// What must still happen when SIGINT, SIGTERM or SIGHUP ends this process.
//
// A handler may do next to nothing, so it wakes a thread, which calls `act` and
// then lets the signal end the process as if nobody had waited for it.  Those
// signals that are ignored, as under nohup, stay so.  One at a time.
#pragma once

#include <functional>
#include <memory>

namespace aha::cli {

class BeforeDeath {
 public:
  explicit BeforeDeath(std::function<void()> act);
  ~BeforeDeath();
  BeforeDeath(const BeforeDeath&) = delete;
  BeforeDeath& operator=(const BeforeDeath&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::cli
