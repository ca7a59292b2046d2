#include "rpc/stream.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "rpc/status.h"

namespace aha::rpc {

std::string MethodName(const MethodMessages& messages) {
  const google::protobuf::FileDescriptor& file = *messages.request->file();
  for (int i = 0; i < file.service_count(); ++i) {
    for (int j = 0; j < file.service(i)->method_count(); ++j) {
      const auto& method = *file.service(i)->method(j);
      if (method.input_type() == messages.request &&
          method.output_type() == messages.response) {
        return method.name();
      }
    }
  }
  return messages.request->name();
}

StreamBase::StreamBase(const MethodMessages& method, const std::string& address,
                       const StreamOptions& options)
    : method_(MethodName(method)),
      address_(address),
      registration_(options.cancel, [this] { Cancel(); }) {
  if (options.deadline != absl::InfiniteDuration()) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          absl::ToChronoMilliseconds(options.deadline));
  }
}

void StreamBase::Cancel() {
  cancelled_ = true;
  context_.TryCancel();
}

absl::Status StreamBase::Broken() const {
  return absl::UnavailableError(
      absl::StrCat(method_, " at ", address_,
                   ": the peer ended the stream; Finish() says why"));
}

absl::Status StreamBase::WriteAfterWritesDone() const {
  return absl::InternalError(absl::StrCat(method_, ": write after WritesDone"));
}

absl::Status StreamBase::Explain(const grpc::Status& status) const {
  const absl::Status end = FromGrpc(status, cancelled_);
  if (end.ok()) return end;
  return absl::Status(
      end.code(),
      absl::StrCat(method_, " at ", address_, ": ", end.message(), " (after ",
                   absl::FormatDuration(
                       absl::Trunc(clock_() - start_, absl::Milliseconds(1))),
                   ")"));
}

}  // namespace aha::rpc
