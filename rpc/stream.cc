#include "rpc/stream.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "google/protobuf/descriptor.h"
#include "rpc/status.h"

namespace aha::rpc {

Stream::Stream(std::unique_ptr<Reactor> reactor)
    : reactor_(std::move(reactor)) {}
Stream::~Stream() = default;
absl::Status Stream::Write(const google::protobuf::Message& message) {
  return reactor_->Write(message);
}
absl::Status Stream::WritesDone() { return reactor_->WritesDone(); }
absl::StatusOr<bool> Stream::Read(google::protobuf::Message* message) {
  return reactor_->Read(message);
}
absl::Status Stream::Finish() { return reactor_->Finish(); }
void Stream::Cancel() { reactor_->Cancel(); }

Stream::Reactor::Reactor(const google::protobuf::MethodDescriptor* method,
                         std::string address,
                         std::shared_ptr<grpc::Channel> channel,
                         const std::string& path, const StreamOptions& options)
    : method_(method),
      address_(std::move(address)),
      path_(path),
      stub_(std::move(channel)) {
  if (options.deadline != absl::InfiniteDuration()) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          absl::ToChronoMilliseconds(options.deadline));
  }
  registration_.emplace(options.cancel, [this] { Cancel(); });
  stub_.PrepareBidiStreamingCall(&context_, path_, {}, this);
  AddHold();
  StartCall();
}

Stream::Reactor::~Reactor() {
  registration_.reset();
  context_.TryCancel();
  Release();
  MutexLock lock(mutex_);
  while (!status_.has_value()) changed_.Wait(mutex_);
}

absl::Status Stream::Reactor::Write(const Message& message) {
  if (message.GetDescriptor() != method_->input_type()) {
    return absl::InternalError(absl::StrCat(method_->name(), " wants ",
                                            method_->input_type()->full_name(),
                                            ", got ", message.GetTypeName()));
  }
  {
    MutexLock lock(mutex_);
    if (half_closed_) {
      return absl::InternalError(
          absl::StrCat(method_->name(), ": write after WritesDone"));
    }
    if (write_failed_) return WaitForEnd();
    writing_ = true;
  }
  StartWrite(&message);
  MutexLock lock(mutex_);
  while (writing_) changed_.Wait(mutex_);
  return write_failed_ ? WaitForEnd() : absl::OkStatus();
}

absl::Status Stream::Reactor::WritesDone() {
  {
    MutexLock lock(mutex_);
    if (half_closed_) return absl::OkStatus();
    if (write_failed_) return WaitForEnd();
    half_closed_ = true;
    writing_ = true;
  }
  StartWritesDone();
  MutexLock lock(mutex_);
  while (writing_) changed_.Wait(mutex_);
  return write_failed_ ? WaitForEnd() : absl::OkStatus();
}

absl::StatusOr<bool> Stream::Reactor::Read(Message* message) {
  if (message->GetDescriptor() != method_->output_type()) {
    return absl::InternalError(absl::StrCat(
        method_->name(), " gives ", method_->output_type()->full_name(),
        ", wanted ", message->GetTypeName()));
  }
  bool start = false;
  {
    MutexLock lock(mutex_);
    start = !read_failed_;
    reading_ = start;
  }
  if (start) StartRead(message);
  {
    MutexLock lock(mutex_);
    while (reading_) changed_.Wait(mutex_);
    if (!read_failed_) return true;
  }
  AHA_RETURN_IF_ERROR(Finish());
  return false;
}

absl::Status Stream::Reactor::Finish() {
  // Unread messages would keep the stream open for ever.
  std::unique_ptr<Message> rest;
  {
    MutexLock lock(mutex_);
    if (!read_failed_) {
      rest.reset(google::protobuf::MessageFactory::generated_factory()
                     ->GetPrototype(method_->output_type())
                     ->New());
    }
  }
  while (rest != nullptr) {
    {
      MutexLock lock(mutex_);
      if (read_failed_) break;
      reading_ = true;
    }
    StartRead(rest.get());
    MutexLock lock(mutex_);
    while (reading_) changed_.Wait(mutex_);
  }
  Release();
  MutexLock lock(mutex_);
  while (!status_.has_value()) changed_.Wait(mutex_);
  return Explain();
}

// A failed write does not say why; the final status does.  The read side may
// still be in use, so the hold stays; gRPC ends the call by itself.
absl::Status Stream::Reactor::WaitForEnd() {
  if (status_.has_value() && !status_->ok()) return Explain();
  return absl::UnavailableError(
      absl::StrCat(method_->name(), " at ", address_,
                   ": the peer ended the stream; Finish() says why"));
}

absl::Status Stream::Reactor::Explain() const {
  absl::Status status = FromGrpc(*status_, cancelled_);
  if (status.ok()) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(method_->name(), " at ", address_, ": ", status.message(),
                   " (after ",
                   absl::FormatDuration(
                       absl::Trunc(clock_() - start_, absl::Milliseconds(1))),
                   ")"));
}

void Stream::Reactor::Release() {
  {
    MutexLock lock(mutex_);
    if (released_) return;
    released_ = true;
    // No operation may start after the hold is released.
    half_closed_ = true;
    read_failed_ = true;
    write_failed_ = true;
  }
  RemoveHold();
}

void Stream::Reactor::OnReadDone(bool ok) {
  MutexLock lock(mutex_);
  reading_ = false;
  if (!ok) read_failed_ = true;
  changed_.NotifyAll();
}

void Stream::Reactor::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) write_failed_ = true;
  changed_.NotifyAll();
}

void Stream::Reactor::OnWritesDoneDone(bool ok) { OnWriteDone(ok); }

void Stream::Reactor::OnDone(const grpc::Status& status) {
  MutexLock lock(mutex_);
  status_ = status;
  changed_.NotifyAll();
}

}  // namespace aha::rpc
