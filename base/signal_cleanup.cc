#include "base/signal_cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>
#include <thread>
#include <utility>

namespace aha {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

// Where the handler writes the signal's number.
std::atomic<int> wake_fd = -1;

void Wake(int signal) {
  const int error = errno;
  const char byte = static_cast<char>(signal);
  [[maybe_unused]] const ssize_t written = ::write(wake_fd, &byte, 1);
  errno = error;
}

}  // namespace

struct SignalCleanup::State {
  std::function<void()> cleanup;
  int pipe[2] = {-1, -1};
  struct sigaction before[std::size(kSignals)] = {};
  std::thread thread;

  void Run() const {
    char signal = 0;
    while (::read(pipe[0], &signal, 1) < 0 && errno == EINTR) {
    }
    if (signal == 0) return;  // The destructor wrote it.
    cleanup();
    ::signal(signal, SIG_DFL);
    ::kill(::getpid(), signal);
  }
};

SignalCleanup::SignalCleanup(std::function<void()> cleanup)
    : state_(std::make_unique<State>()) {
  state_->cleanup = std::move(cleanup);
  // Without descriptors there is no thread to wake, and the signals end the
  // process without a cleanup.
  if (::pipe2(state_->pipe, O_CLOEXEC) != 0) return;
  wake_fd = state_->pipe[1];
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], nullptr, &state_->before[i]);
    if (state_->before[i].sa_handler == SIG_IGN) continue;
    struct sigaction wake = {};
    wake.sa_handler = Wake;
    wake.sa_flags = SA_RESTART;
    ::sigaction(kSignals[i], &wake, nullptr);
  }
}

SignalCleanup::~SignalCleanup() {
  if (!state_->thread.joinable()) return;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], &state_->before[i], nullptr);
  }
  Wake(0);
  state_->thread.join();
  ::close(state_->pipe[0]);
  ::close(state_->pipe[1]);
}

}  // namespace aha
