#include "reward_service/worker_pool.h"

#include <memory>

#include "gtest/gtest.h"

namespace aha::reward {
namespace {

TEST(WorkerPoolTest, RunsEveryTaskAndDropsNoneBeforeItsEnd) {
  Mutex mutex;
  CondVar changed;
  int done = 0;
  WorkerPool pool(3);
  for (int i = 0; i < 100; ++i) {
    pool.Run([&] {
      MutexLock lock(mutex);
      ++done;
      changed.NotifyAll();
    });
  }
  MutexLock lock(mutex);
  while (done < 100) changed.Wait(mutex);
  EXPECT_EQ(done, 100);
}

}  // namespace
}  // namespace aha::reward
