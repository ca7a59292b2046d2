#include "cli/local/stop_request.h"

#include <utility>

namespace aha::cli {

StopRequest::StopRequest(const std::string& address) {
  AdminOptions options;
  options.address = address;
  absl::StatusOr<std::unique_ptr<AdminClient>> client =
      AdminClient::New(options);
  if (!client.ok()) {
    failed_ = true;
    return;
  }
  client_ = *std::move(client);
  thread_ = std::thread([this] { failed_ = !client_->StopJob().ok(); });
}

StopRequest::~StopRequest() {
  if (client_) client_->Cancel();
  if (thread_.joinable()) thread_.join();
}

}  // namespace aha::cli
