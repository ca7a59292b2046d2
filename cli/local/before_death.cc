#include "cli/local/before_death.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>
#include <thread>
#include <utility>

namespace aha::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

// All that the handler knows: where it writes the signal's number.
std::atomic<int> wake_fd = -1;

void Wake(int signal) {
  const int error = errno;
  const char byte = static_cast<char>(signal);
  [[maybe_unused]] const ssize_t written = ::write(wake_fd, &byte, 1);
  errno = error;
}

}  // namespace

struct BeforeDeath::State {
  std::function<void()> act;
  int pipe[2] = {-1, -1};
  struct sigaction before[std::size(kSignals)] = {};
  std::thread thread;

  void Run() const {
    char signal = 0;
    while (::read(pipe[0], &signal, 1) < 0 && errno == EINTR) {
    }
    if (signal == 0) return;  // Destroyed.
    act();
    ::signal(signal, SIG_DFL);
    ::kill(::getpid(), signal);
  }
};

BeforeDeath::BeforeDeath(std::function<void()> act)
    : state_(std::make_unique<State>()) {
  state_->act = std::move(act);
  // Without descriptors left there is no thread to wake: then nothing happens.
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

BeforeDeath::~BeforeDeath() {
  if (!state_->thread.joinable()) return;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], &state_->before[i], nullptr);
  }
  Wake(0);
  state_->thread.join();
  ::close(state_->pipe[0]);
  ::close(state_->pipe[1]);
}

}  // namespace aha::cli
