#include "rewards/math/flint_thread.h"

#include <flint/flint.h>

namespace aha::rewards::math {
namespace {

class FlintThread {
 public:
  FlintThread() = default;
  ~FlintThread() { flint_cleanup(); }
  FlintThread(const FlintThread&) = delete;
  FlintThread& operator=(const FlintThread&) = delete;
  void Use() const {}
};

}  // namespace

void CleanUpFlintWithThread() {
  thread_local const FlintThread thread;
  thread.Use();
}

}  // namespace aha::rewards::math
