#include "reward_service/external/program_pool.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "reward_service/external/protocol.h"

namespace aha::reward {
namespace {

using rewards::Outcome;
using rewards::Verdict;

Verdict InfraError(absl::string_view why) {
  return {.outcome = Outcome::kInfraError,
          .value = 0,
          .evidence = std::string(why)};
}

}  // namespace

// A process of the program, started again when it failed, and the thread that
// works with it.
class ProgramPool::Worker {
 public:
  explicit Worker(ProgramPool& pool)
      : pool_(pool), jitter_key_(JitterKey(pool.options_.label)) {}

  void Run() {
    // A program that closes its stdin is an error of the write.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (true) {
      std::vector<Task> batch = pool_.Take();
      if (batch.empty()) break;
      Serve(std::move(batch));
    }
    program_.reset();
  }

 private:
  void Serve(std::vector<Task> batch) {
    std::map<uint64_t, Task> waiting;
    const absl::Status status = Ask(std::move(batch), &waiting);
    if (status.ok()) {
      failures_ = 0;
      return;
    }
    program_.reset();
    Fail(status, std::move(waiting));
    if (absl::IsCancelled(status)) return;
    pool_.Rest(pool_.options_.backoff.Wait(failures_++, jitter_key_));
  }

  // Gives the batch to the program.  `waiting` are the tasks without a reply
  // yet, by the ids of their requests.
  absl::Status Ask(std::vector<Task> batch, std::map<uint64_t, Task>* waiting) {
    const Options& options = pool_.options_;
    std::string requests;
    uint64_t more = batch.size();
    for (Task& task : batch) {
      absl::StrAppend(&requests,
                      RequestLine(next_id_, *task.completion, --more));
      waiting->emplace(next_id_++, std::move(task));
    }
    if (program_ == nullptr) {
      AHA_ASSIGN_OR_RETURN(program_, Program::Start({.argv = options.argv,
                                                     .label = options.label,
                                                     .stop_fd = pool_.stop_fd_,
                                                     .clock = options.clock}));
    }
    return program_->Exchange(
        requests, options.clock() + options.timeout,
        [this, waiting](absl::string_view line) -> absl::StatusOr<bool> {
          AHA_ASSIGN_OR_RETURN(Reply reply, ParseReply(line));
          const auto it = waiting->find(reply.id);
          if (it == waiting->end()) {
            return absl::InvalidArgumentError(absl::StrCat(
                "it answered request ", reply.id,
                ", which it was not asked or has answered before"));
          }
          const Task task = std::move(it->second);
          waiting->erase(it);
          pool_.answered_ = true;
          task.done(std::move(reply.verdict));
          return waiting->empty();
        });
  }

  void Fail(const absl::Status& status, std::map<uint64_t, Task> waiting) {
    const Options& options = pool_.options_;
    std::string why(status.message());
    if (absl::IsDeadlineExceeded(status)) {
      absl::StrAppend(
          &why, ": ", waiting.size(), " completions have no reply after ",
          absl::FormatDuration(options.timeout), " (program.timeout_seconds)");
    }
    if (!absl::IsCancelled(status)) {
      AHA_LOG(kWarning) << options.label << ": " << why;
    }
    // A program that never answered is broken, whatever the completion.
    const bool theirs = pool_.answered_ && (absl::IsDeadlineExceeded(status) ||
                                            absl::IsAborted(status));
    if (!options.isolate || !theirs) {
      for (auto& [id, task] : waiting) task.done(InfraError(why));
      return;
    }
    if (waiting.size() == 1 && waiting.begin()->second.alone) {
      const Outcome outcome =
          absl::IsAborted(status) ? Outcome::kCrash : Outcome::kTimeout;
      waiting.begin()->second.done(
          {.outcome = outcome, .value = 0, .evidence = why});
      return;
    }
    std::vector<Task> alone;
    for (auto& [id, task] : waiting) alone.push_back(std::move(task));
    pool_.ReturnAlone(std::move(alone));
  }

  ProgramPool& pool_;
  const uint64_t jitter_key_;
  std::unique_ptr<Program> program_;
  uint64_t next_id_ = 1;  // Never repeats, so a late reply is recognised.
  int failures_ = 0;      // Without a success in between.
};

ProgramPool::ProgramPool(Options options)
    : options_(std::move(options)),
      stop_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this] { Worker(*this).Run(); });
  }
}

ProgramPool::~ProgramPool() {
  Stop();
  if (stop_fd_ >= 0) ::close(stop_fd_);
}

void ProgramPool::Judge(std::shared_ptr<const Completion> completion,
                        Done done) {
  {
    MutexLock lock(mutex_);
    if (!stopping_) {
      tasks_.push_back(
          {.completion = std::move(completion), .done = std::move(done)});
      changed_.NotifyAll();
      return;
    }
  }
  done(InfraError("the service stops"));
}

void ProgramPool::Stop() {
  std::deque<Task> left;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    left.swap(tasks_);
    changed_.NotifyAll();
  }
  const uint64_t one = 1;
  (void)!::write(stop_fd_, &one, sizeof(one));
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  for (const Task& task : left) task.done(InfraError("the service stops"));
}

std::vector<ProgramPool::Task> ProgramPool::Take() {
  MutexLock lock(mutex_);
  while (tasks_.empty() && !stopping_) changed_.Wait(mutex_);
  std::vector<Task> batch;
  const auto size = static_cast<size_t>(options_.batch_size);
  while (!stopping_ && !tasks_.empty() && batch.size() < size) {
    const bool alone = tasks_.front().alone;
    if (alone && !batch.empty()) break;
    batch.push_back(std::move(tasks_.front()));
    tasks_.pop_front();
    if (alone) break;
  }
  return batch;
}

void ProgramPool::ReturnAlone(std::vector<Task> tasks) {
  {
    MutexLock lock(mutex_);
    for (auto it = tasks.rbegin(); !stopping_ && it != tasks.rend(); ++it) {
      it->alone = true;
      tasks_.push_front(std::move(*it));
    }
    changed_.NotifyAll();
    if (!stopping_) return;
  }
  for (const Task& task : tasks) task.done(InfraError("the service stops"));
}

void ProgramPool::Rest(absl::Duration duration) {
  const absl::Time end = options_.clock() + duration;
  MutexLock lock(mutex_);
  while (!stopping_) {
    const absl::Duration left = end - options_.clock();
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mutex_, left);
  }
}

}  // namespace aha::reward
