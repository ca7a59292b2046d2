// The Attend stream to the coordinator, which is open as long as this process
// runs.  When the process ends, the kernel closes the connection, so the
// coordinator notices at once.
//
// Owned by one thread at a time.  Internal to member.cc and heartbeats.cc.
#pragma once

#include <memory>

#include "cluster/member.h"
#include "grpcpp/grpcpp.h"

namespace aha::rpc {

class AttendClient {
 public:
  explicit AttendClient(std::shared_ptr<grpc::Channel> channel);
  ~AttendClient();  // Ends the stream.

  // Opens the stream of this identity, unless it is open.  Never waits for the
  // coordinator.  A coordinator without such a method is not called again.
  void Keep(const MemberIdentity& identity);

 private:
  class Stream;
  const std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stream> stream_;
  bool known_ = true;
};

}  // namespace aha::rpc
