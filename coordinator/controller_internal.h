// Shared by the controller's translation units.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/controller.h"

namespace aha::coordinator {

class Controller::Change {
 public:
  explicit Change(Controller& controller) : controller_(controller) {}
  ~Change() {
    std::function<void()> listener;
    {
      MutexLock lock(controller_.mutex_);
      listener = controller_.listener_;
    }
    if (listener) listener();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  Controller& controller_;
};

// In the store, "" or not there: nobody asked for a stop.
inline constexpr char kStopWanted[] = "stop_wanted";

inline absl::Status AnotherGroup(uint32_t rank) {
  return absl::FailedPreconditionError(
      absl::StrCat("rank: the learner group of rank ", rank,
                   " is no more (a rank was lost); ask NextStage"));
}

}  // namespace aha::coordinator
