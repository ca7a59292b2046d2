// Fetches the versions that the store wants from the coordinator, on one stream
// each.  After a broken stream the next one continues where it ended.
//
// Thread-safe; owns one thread.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "actor/weight_assembler.h"
#include "actor/weight_store.h"
#include "base/cancellation.h"
#include "base/clock.h"
#include "job/ids.h"

namespace aha::rpc {
class Client;
}  // namespace aha::rpc

namespace aha::actor {

struct WeightsFetcherEvents {
  std::function<void()> arrived = {};
  std::function<void(uint64_t bytes)> received = {};
  std::function<void()> mismatched = {};  // A hash did not agree.
  // A wanted version did not come for `patience`, or cannot be read.
  std::function<void(const absl::Status& why)> failed = {};
};

class WeightsFetcher {
 public:
  // Neither is owned.  `epoch` returns the coordinator's current epoch.
  WeightsFetcher(rpc::Client* client, WeightStore* store,
                 std::function<uint64_t()> epoch, absl::Duration patience,
                 WeightsFetcherEvents events);
  ~WeightsFetcher();  // Stop.

  void Stop();

 private:
  void Run();
  absl::Status Fetch(const WeightsId& id);
  absl::Status Continue(const WeightsId& id, WeightAssembler& assembler);

  rpc::Client* const client_;
  WeightStore* const store_;
  const std::function<uint64_t()> epoch_;
  const absl::Duration patience_;
  const WeightsFetcherEvents events_;
  const Clock clock_ = MonotonicClock();
  rpc::Cancellation stop_;
  std::thread thread_;
};

}  // namespace aha::actor
