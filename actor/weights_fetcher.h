// Downloads from the coordinator the versions that the engine wants
// (WeightExchange::Want) and puts them into the exchange, on one stream for
// each version.  When a stream breaks, the next one continues at the same byte.
//
// It works on a thread of its own from construction to Stop.  The events are
// called on that thread; Stop may be called from any other.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "actor/weight_assembler.h"
#include "actor/weight_exchange.h"
#include "base/cancellation.h"
#include "base/clock.h"
#include "job/ids.h"

namespace aha::rpc {
class Client;
}  // namespace aha::rpc

namespace aha::actor {

struct WeightsFetcherEvents {
  std::function<void()> arrived = {};  // A version is whole in the exchange.
  std::function<void(uint64_t bytes)> received = {};  // One chunk.
  std::function<void()> mismatched = {};              // A hash did not agree.
  // No byte of a wanted version came for `patience`, or its encoding cannot be
  // read.  The fetcher tries again a second later.
  std::function<void(const absl::Status& why)> failed = {};
};

class WeightsFetcher {
 public:
  // `client` and `exchange` must outlive the fetcher.  `epoch` returns the
  // coordinator's current epoch.
  WeightsFetcher(rpc::Client* client, WeightExchange* exchange,
                 std::function<uint64_t()> epoch, absl::Duration patience,
                 WeightsFetcherEvents events);
  ~WeightsFetcher();  // Calls Stop.

  // Ends the thread and waits for it; a transfer in progress is dropped.
  void Stop();

 private:
  void Run();
  absl::Status Fetch(const WeightsId& id);
  absl::Status Continue(const WeightsId& id, WeightAssembler& assembler);

  rpc::Client* const client_;
  WeightExchange* const exchange_;
  const std::function<uint64_t()> epoch_;
  const absl::Duration patience_;
  const WeightsFetcherEvents events_;
  const Clock clock_ = MonotonicClock();
  rpc::Cancellation stop_;
  std::thread thread_;
};

}  // namespace aha::actor
