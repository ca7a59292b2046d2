#include "cli/local/run_session.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file_system.h"
#include "base/status.h"
#include "cli/client/admin_client.h"
#include "cli/client/live_feed.h"
#include "cli/local/control_socket.h"
#include "cli/local/failure.h"
#include "cli/local/stop_request.h"
#include "cli/report/progress.h"
#include "cli/report/report.h"
#include "cli/term/exit_code.h"
#include "cli/term/screen.h"
#include "cli/term/text.h"
#include "run/events.h"
#include "run/layout.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kFrame = absl::Milliseconds(200);

int OpenSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// Whether the file at `path` was written after `since`.  File systems keep
// times to some milliseconds only.
bool WrittenSince(const std::string& path, absl::Time since) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 &&
         absl::TimeFromTimespec(info.st_mtim) + absl::Milliseconds(20) >= since;
}

// What is known when all processes have ended.
struct Ending {
  run::JobState state = run::JobState::kUnknown;
  std::string problem;
  bool summarised = false;  // This session's coordinator wrote a summary.
};

class Session {
 public:
  explicit Session(SessionOptions options)
      : options_(std::move(options)),
        run_(options_.supervisor.run_dir),
        clock_(MonotonicClock()),
        screen_(options_.output == Output::kTable ? STDOUT_FILENO
                                                  : STDERR_FILENO),
        supervisor_(options_.supervisor, clock_,
                    [this](absl::string_view event, absl::string_view process,
                           const std::string& text) {
                      OnEvent(event, process, text);
                    }) {}

  int Run();

 private:
  void OnEvent(absl::string_view event, absl::string_view process,
               const std::string& text);
  absl::StatusOr<std::string> OnControl(const std::string& request);
  void ReadSignals();
  void BeginStop(const std::string& why);
  void Look();
  void FollowJob();
  void AnnounceStop();
  void Show();
  void Wait();
  Ending FindEnding();
  void PrintFailure() const;
  int ExitOf(const Ending& ending) const;
  int Finish();
  void Say(const std::string& line);

  const SessionOptions options_;
  const run::RunReader run_;
  const Clock clock_;
  Screen screen_;
  FileSystem& files_ = RealFileSystem();
  Supervisor supervisor_;
  int signals_ = -1;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<StreamFeed> feed_;   // Once the coordinator serves.
  std::optional<Progress> progress_;   // What feed_ tells, for the terminal.
  std::unique_ptr<StopRequest> stop_;  // Once a clean stop began here.
  std::optional<run::JobView> job_;    // The job at the last look.
  uint64_t steps_seen_ = 0;            // The most so far.
  int interrupts_ = 0;                 // Signals that ask for an end.
  absl::Time stop_deadline_ = absl::InfiniteFuture();
  absl::Time next_frame_ = absl::InfinitePast();
  const absl::Time started_wall_ = absl::Now();
  bool up_ = false;              // on_up was called.
  bool stop_announced_ = false;  // A stop that did not begin here.
};

void Session::Say(const std::string& line) {
  if (!options_.quiet) screen_.Print(line);
}

void Session::OnEvent(absl::string_view event, absl::string_view process,
                      const std::string& text) {
  Say(absl::StrCat(process, " ", event, ": ", OneLine(text)));
  // The run continues if the line cannot be written, as on a full disk.
  AppendLine(files_, run_.File(run::kEventsFile),
             run::EventLine({.time = absl::ToDoubleSeconds(absl::Now() -
                                                           absl::UnixEpoch()),
                             .event = absl::StrCat("process ", event),
                             .process = std::string(process),
                             .text = text}))
      .IgnoreError();
}

absl::StatusOr<std::string> Session::OnControl(const std::string& request) {
  absl::string_view rest = request;
  if (request == "actor add") return supervisor_.AddActor();
  if (request == "stop") {
    BeginStop("asked to stop");
    return std::string("stopping");
  }
  if (!absl::ConsumePrefix(&rest, "actor remove ")) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown request \"", OneLine(request), "\""));
  }
  std::string name(rest);
  if (!supervisor_.endpoint()) {
    return absl::FailedPreconditionError("the cluster is still starting");
  }
  AdminOptions options;
  options.address = supervisor_.endpoint()->address;
  options.deadline = absl::Seconds(3);
  AHA_ASSIGN_OR_RETURN(const auto client, AdminClient::New(options));
  AHA_RETURN_IF_ERROR(
      supervisor_.RemoveActor(name, [&] { return client->DrainMember(name); }));
  return name;
}

void Session::BeginStop(const std::string& why) {
  if (stop_ != nullptr || !supervisor_.endpoint()) {
    if (!supervisor_.endpoint()) supervisor_.StopAll();
    return;
  }
  Say(absl::StrCat(why, ": the running step ends and a checkpoint is written;",
                   " press Ctrl-C again to kill at once"));
  stop_ = std::make_unique<StopRequest>(supervisor_.endpoint()->address);
  stop_deadline_ = clock_() + options_.clean_stop;
}

void Session::ReadSignals() {
  signalfd_siginfo info;
  while (::read(signals_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGCHLD) continue;
    ++interrupts_;
    if (interrupts_ == 1) {
      BeginStop("stopping");
    } else {
      Say("killing everything");
      supervisor_.KillAll();
    }
  }
}

void Session::AnnounceStop() {
  if (job_->state != run::JobState::kStopping || stop_ || stop_announced_) {
    return;
  }
  stop_announced_ = true;
  Say(absl::StrCat(
      job_->problem.empty() ? "the job is stopped" : OneLine(job_->problem),
      ": the running step ends and a checkpoint is written"));
}

void Session::FollowJob() {
  if (!feed_) {
    if (!supervisor_.endpoint()) return;
    AdminOptions options;
    options.address = supervisor_.endpoint()->address;
    feed_ = std::make_unique<StreamFeed>(options, run_);
    progress_.emplace(feed_.get());
  }
  if (!progress_->Look(clock_()).ok()) return;
  job_ = progress_->job();
  // After a rollback, steps that are done again are not progress.
  if (job_->StepsDone() > steps_seen_) {
    steps_seen_ = job_->StepsDone();
    supervisor_.OnProgress();
  }
  if (run::IsEndState(job_->state)) supervisor_.OnJobEnded();
  AnnounceStop();
}

void Session::Look() {
  FollowJob();
  if (!up_ && supervisor_.phase() == Supervisor::Phase::kRunning) {
    up_ = true;
    // The coordinator has written job.yaml in its place.
    files_.Remove(run_.File(run::kNewJobFile)).IgnoreError();
    if (options_.on_up) options_.on_up();
  }
  const bool too_long = clock_() > stop_deadline_;
  if (stop_ && (stop_->failed() || too_long)) {
    if (too_long) Say("the clean stop takes too long; ending the processes");
    stop_deadline_ = absl::InfiniteFuture();
    if (supervisor_.phase() != Supervisor::Phase::kStopping) {
      supervisor_.StopAll();
    }
  }
}

void Session::Show() {
  const absl::Time now = clock_();
  if (options_.quiet || now < next_frame_) return;
  next_frame_ = now + kFrame;
  if (screen_.terminal()) {
    screen_.Draw(progress_.has_value()
                     ? progress_->RenderBlock(now, screen_.style())
                     : Progress(nullptr).RenderBlock(now, screen_.style()));
  } else if (progress_.has_value()) {
    for (const std::string& line : progress_->RenderLines(now)) {
      screen_.Print(line);
    }
  }
}

void Session::Wait() {
  std::vector<pollfd> fds = {{signals_, POLLIN, 0}};
  if (control_) {
    for (int fd : control_->Descriptors()) fds.push_back({fd, POLLIN, 0});
  }
  ::poll(fds.data(), fds.size(), 100);
}

int Session::Run() {
  signals_ = OpenSignals();
  if (!options_.gpus.empty()) {
    Say(absl::StrCat(options_.gpus,
                     " is not used: Aha has no GPU kernels yet, so everything "
                     "runs on the CPU"));
  }
  absl::StatusOr<std::unique_ptr<ControlServer>> control =
      ControlServer::Listen(run_.path(), [this](const std::string& request) {
        return OnControl(request);
      });
  if (control.ok()) {
    control_ = *std::move(control);
  } else {
    // The job runs without it; only actors cannot be added.
    Say(absl::StrCat("no control socket: ", control.status().message()));
  }
  const absl::Status started = supervisor_.Start();
  if (!started.ok()) return Report(started);
  while (supervisor_.phase() != Supervisor::Phase::kDone) {
    Wait();
    ReadSignals();
    if (control_) control_->Poll();
    supervisor_.Tick();
    Look();
    Show();
  }
  next_frame_ = absl::InfinitePast();
  Show();
  feed_.reset();
  stop_.reset();
  return Finish();
}

Ending Session::FindEnding() {
  Ending ending;
  if (job_.has_value()) {
    ending.state = job_->state;
    ending.problem = job_->problem;
  }
  const std::string path = run_.File(run::kSummaryFile);
  ending.summarised = WrittenSince(path, started_wall_);
  if (!ending.summarised) return ending;
  // Without it the summary has the memory of the coordinator alone.
  run::SetPeakMemory(files_, path, supervisor_.peak_rss_bytes()).IgnoreError();
  if (const auto summary = run_.ReadSummary(); summary.ok()) {
    ending.state = summary->state;
    if (!summary->problem.empty()) ending.problem = summary->problem;
  }
  return ending;
}

void Session::PrintFailure() const {
  if (!supervisor_.failure() || interrupts_ > 0) return;
  for (const std::string& line :
       RenderFailure(*supervisor_.failure(), options_.resume_command)) {
    std::fprintf(stderr, "ahactl: %s\n", line.c_str());
  }
}

int Session::Finish() {
  screen_.Leave();
  // A coordinator that did not take the directory leaves the file.
  files_.Remove(run_.File(run::kNewJobFile)).IgnoreError();
  const Ending ending = FindEnding();
  const bool succeeded = ending.state == run::JobState::kSucceeded;
  if (!succeeded) PrintFailure();
  if (succeeded || (ending.summarised && options_.output != Output::kTable)) {
    run::FileFeed feed(run_);
    PrintReport(feed, {.run_dir = run_.path(),
                       .restarts = supervisor_.restarts(),
                       .quiet = options_.quiet || !succeeded,
                       .output = options_.output});
  }
  return ExitOf(ending);
}

int Session::ExitOf(const Ending& ending) const {
  if (ending.state == run::JobState::kSucceeded) return kExitDone;
  const std::string problem = OneLine(ending.problem);
  if (ending.state == run::JobState::kFailed) {
    std::fprintf(stderr, "ahactl: job %s failed: %s\nahactl: logs: %s/\n",
                 options_.job_name.c_str(),
                 problem.empty() ? "no reason was given" : problem.c_str(),
                 run_.File(run::kLogsFolder).c_str());
    return interrupts_ > 0 ? kExitInterrupted : kExitJobFailed;
  }
  if (supervisor_.failure() && interrupts_ == 0) {
    // A process refuses a resume because the run began with something else:
    // another machine or other files.
    return supervisor_.failure()->refused && options_.supervisor.resume
               ? kExitConflict
               : kExitError;
  }
  const bool asked = interrupts_ > 0 || ending.state == run::JobState::kStopped;
  if (!options_.quiet || !asked) {
    const std::string why =
        problem.empty() ? "" : absl::StrCat(" (", problem, ")");
    const bool screen = options_.output == Output::kTable && !options_.quiet;
    std::fprintf(
        screen ? stdout : stderr, "job %s %s%s; continue it with: %s\n",
        options_.job_name.c_str(),
        ending.state == run::JobState::kStopped ? "stopped" : "ended early",
        why.c_str(), options_.resume_command.c_str());
  }
  return asked ? kExitInterrupted : kExitError;
}

}  // namespace

int RunSession(SessionOptions options) {
  return Session(std::move(options)).Run();
}

}  // namespace aha::cli
