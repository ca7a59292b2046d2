#include "metrics/endpoint.h"

#include <netdb.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/status.h"
#include "metrics/registry_state.h"

namespace aha::metrics {
namespace {

// Connects and closes, ignoring failures.
void Connect(const HostPort& to) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints,
                  &found) != 0) {
    return;
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A wildcard address connects to this machine.
  if (fd >= 0) {
    (void)connect(fd, found->ai_addr, found->ai_addrlen);
    close(fd);
  }
  freeaddrinfo(found);
}

}  // namespace

struct Endpoint::State {
  std::unique_ptr<prometheus::Exposer> exposer;
  HostPort bound;       // The address on this machine.
  std::string address;  // The address for other machines.
};

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Start(
    absl::string_view listen, const Registry& registry,
    const std::string& advertise_host) {
  AHA_ASSIGN_OR_RETURN(HostPort bound, ParseAddress(listen));
  auto state = std::make_unique<State>();
  try {
    // A silent connection holds a thread until it times out, so there are
    // threads enough and a short timeout to keep scrapes from waiting.
    state->exposer =
        std::make_unique<prometheus::Exposer>(std::vector<std::string>{
            "listening_ports", std::string(listen), "num_threads", "8",
            "request_timeout_ms", "2000"});
  } catch (const std::exception& error) {
    return absl::AlreadyExistsError(absl::StrCat(
        "--metrics-listen: cannot listen on ", listen,
        ": the port is in use, or the address is not this machine's (",
        error.what(), ")"));
  }
  const std::vector<int> ports = state->exposer->GetListeningPorts();
  if (!ports.empty()) bound.port = ports.front();
  state->address = DialAddress(listen, advertise_host, bound.port);
  state->bound = std::move(bound);
  std::unique_ptr<Endpoint> endpoint(new Endpoint(std::move(state)));
  endpoint->Add(registry);
  return endpoint;
}

// The HTTP library keeps weak references.
void Endpoint::Add(const Registry& registry) {
  state_->exposer->RegisterCollectable(registry.state_->registry);
  if (registry.state_->process != nullptr) {
    state_->exposer->RegisterCollectable(registry.state_->process);
  }
}

Endpoint::Endpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}

// The HTTP library checks for its end only when its poll(2) of the listening
// socket returns, every 2 s; connections make it return at once.
Endpoint::~Endpoint() {
  std::atomic<bool> stopped = false;
  std::thread waker([&] {
    while (!stopped) {
      Connect(state_->bound);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  state_->exposer.reset();
  stopped = true;
  waker.join();
}

const std::string& Endpoint::address() const { return state_->address; }

}  // namespace aha::metrics
