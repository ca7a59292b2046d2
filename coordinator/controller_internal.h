// Shared by the controller's translation units.
#pragma once

#include <functional>

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

}  // namespace aha::coordinator
