// GroupSink of a learner rank: hands deliveries to the GroupBuffer.
#pragma once

#include <memory>

#include "learner/group_buffer.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace aha::learner {

// `buffer` must outlive the service.
std::unique_ptr<grpc::Service> NewGroupSinkService(GroupBuffer* buffer);

}  // namespace aha::learner
