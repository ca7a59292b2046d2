// The four gRPC services of the coordinator, which translate between the wire
// and the Controller.
//
//   Services services(controller, weights, archive);
//   rpc::Server::Start(options, services.All());
//   ...
//   services.Stop();          // Ends long polls and watches,
//   server->Shutdown(grace);  // so that this returns.
#pragma once

#include <memory>
#include <vector>

#include "coordinator/controller.h"
#include "coordinator/run_archive.h"
#include "coordinator/weights_store.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace aha::coordinator {

class Services {
 public:
  // Controller and store must outlive the services.  Sets the listener of the
  // controller, and calls its Tick and Recover.
  Services(Controller& controller, WeightsStore& weights, RunArchive archive);
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  std::vector<grpc::Service*> All();
  // Answers every call that waits, and ends every stream.  Idempotent.
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::coordinator
