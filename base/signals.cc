// Implements base/signals.h with a signalfd that one thread reads; an eventfd
// ends that thread.
#include "base/signals.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <optional>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/log.h"

namespace aha::rpc {
namespace {

constexpr absl::Duration kAgain = absl::Seconds(1);

}  // namespace

struct SignalWatcher::State {
  std::function<void(int)> on_signal;
  SignalAgain again;
  Clock clock;
  int signals = -1;  // signalfd
  int stop = -1;     // eventfd
  std::thread thread;

  void Run() const {
    std::optional<absl::Time> first;
    pollfd ready[2] = {{signals, POLLIN, 0}, {stop, POLLIN, 0}};
    while (true) {
      if (poll(ready, 2, -1) < 0) continue;  // EINTR
      if (ready[1].revents != 0) return;
      signalfd_siginfo info;
      if (read(signals, &info, sizeof(info)) != sizeof(info)) continue;
      const int number = static_cast<int>(info.ssi_signo);
      AHA_LOG(kInfo) << "got SIG" << sigabbrev_np(number) << " from pid "
                     << info.ssi_pid;
      if (!first) first = clock();
      if (again == SignalAgain::kEndsTheProcess && clock() - *first >= kAgain) {
        AHA_LOG(kWarning) << "asked to stop again; ends at once";
        _exit(128 + number);
      }
      on_signal(number);
    }
  }
};

SignalWatcher::SignalWatcher(std::function<void(int)> on_signal,
                             SignalAgain again, Clock clock)
    : state_(std::make_unique<State>()) {
  signal(SIGPIPE, SIG_IGN);
  // With SIGXFSZ ignored, a file that reaches its size limit is an error, like
  // a full disk.
  signal(SIGXFSZ, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  state_->on_signal = std::move(on_signal);
  state_->again = again;
  state_->clock = std::move(clock);
  state_->signals = signalfd(-1, &set, SFD_CLOEXEC);
  state_->stop = eventfd(0, EFD_CLOEXEC);
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

SignalWatcher::~SignalWatcher() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      write(state_->stop, &one, sizeof(one));
  state_->thread.join();
  close(state_->signals);
  close(state_->stop);
}

}  // namespace aha::rpc
