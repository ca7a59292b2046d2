#include "cli/local/run_session.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/status.h"
#include "cli/client/admin_client.h"
#include "cli/exit_code.h"
#include "cli/local/control_socket.h"
#include "cli/report/report.h"
#include "cli/report/rollouts.h"
#include "cli/term/screen.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kFrame = absl::Milliseconds(200);

// A StopJob request under way; it may wait for the coordinator, and a second
// Ctrl-C must not wait for it.
class StopRequest {
 public:
  explicit StopRequest(const std::string& address) {
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
  ~StopRequest() {
    if (client_) client_->Cancel();
    if (thread_.joinable()) thread_.join();
  }
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  bool failed() const { return failed_; }

 private:
  std::atomic<bool> failed_{false};
  std::unique_ptr<AdminClient> client_;
  std::thread thread_;
};

int OpenSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// From 0 to 1 when written by this run.
bool WrittenSince(const std::string& path, absl::Time since) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 &&
         absl::TimeFromTimespec(info.st_mtim) + absl::Milliseconds(20) >= since;
}

absl::Status PatchPeakMemory(const RunDirectory& run, uint64_t bytes) {
  const std::string path = run.File("summary.json");
  AHA_ASSIGN_OR_RETURN(Json summary, ReadJsonFile(path));
  if (!summary.is_object()) return absl::DataLossError(path);
  summary["peak_rss_bytes"] = bytes;
  return ReplaceFile(path, ToJsonText(summary));
}

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
  void TellOfStop();
  void Show();
  void Wait();
  int Finish();
  void Say(const std::string& line);

  const SessionOptions options_;
  const RunDirectory run_;
  const Clock clock_;
  Screen screen_;
  Supervisor supervisor_;
  Progress progress_;
  int signals_ = -1;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<JobWatcher> watcher_;
  std::unique_ptr<StopRequest> stop_;
  std::optional<JobView> job_;
  uint64_t steps_seen_ = 0;
  int interrupts_ = 0;
  absl::Time stop_deadline_ = absl::InfiniteFuture();
  absl::Time next_frame_ = absl::InfinitePast();
  absl::Time started_wall_ = absl::Now();
  bool told_up_ = false;
  bool told_stopping_ = false;
};

void Session::Say(const std::string& line) {
  if (!options_.quiet) screen_.Print(line);
}

void Session::OnEvent(absl::string_view event, absl::string_view process,
                      const std::string& text) {
  Say(absl::StrCat(process, " ", event, ": ", OneLine(text)));
  // A full disk must not end the run.
  (void)run_.AppendEvent(
      absl::StrCat("process ", event),
      Json{{"process", std::string(process)}, {"text", text}});
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

// A stop that did not begin here.
void Session::TellOfStop() {
  if (job_->state != JobState::kStopping || stop_ || told_stopping_) return;
  told_stopping_ = true;
  Say(absl::StrCat(
      job_->problem.empty() ? "somebody stops the job" : OneLine(job_->problem),
      ": the running step ends and a checkpoint is written"));
}

void Session::Look() {
  if (!watcher_ && supervisor_.endpoint()) {
    AdminOptions options;
    options.address = supervisor_.endpoint()->address;
    watcher_ = std::make_unique<JobWatcher>(options);
  }
  if (!told_up_ && supervisor_.phase() == Supervisor::Phase::kRunning) {
    told_up_ = true;
    if (options_.on_up) options_.on_up();
  }
  if (watcher_) {
    if (std::optional<JobView> latest = watcher_->Latest()) {
      job_ = std::move(latest);
      job_->run_directory = run_.path();
      progress_.Observe(clock_(), *job_);
      // After a rollback, steps that are done again are no progress.
      if (job_->StepsDone() > steps_seen_) {
        steps_seen_ = job_->StepsDone();
        supervisor_.OnProgress();
      }
      if (IsEndState(job_->state)) supervisor_.OnJobEnded();
      TellOfStop();
    }
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
    screen_.Draw(progress_.RenderBlock(now, screen_.style()));
    return;
  }
  for (const std::string& line : progress_.RenderLines(now)) {
    screen_.Print(line);
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
  absl::StatusOr<std::unique_ptr<ControlServer>> control =
      ControlServer::Listen(run_.path(), [this](const std::string& request) {
        return OnControl(request);
      });
  if (control.ok()) {
    control_ = *std::move(control);
  } else {
    // The job runs without; only actors cannot be added.
    Say(absl::StrCat("no control socket: ", control.status().message()));
  }
  if (options_.supervisor.resume) progress_.Seed(run_.ReadCurves());
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
  watcher_.reset();
  stop_.reset();
  return Finish();
}

int Session::Finish() {
  screen_.Leave();
  JobState state = job_ ? job_->state : JobState::kUnknown;
  std::string problem = job_ ? job_->problem : "";
  const bool summarised =
      WrittenSince(run_.File("summary.json"), started_wall_);
  if (summarised) {
    (void)PatchPeakMemory(run_, supervisor_.peak_rss_bytes());
    if (const auto summary = run_.ReadSummary(); summary.ok()) {
      state = summary->job.state;
      if (!summary->job.problem.empty()) problem = summary->job.problem;
    }
  }
  if (state == JobState::kSucceeded) {
    PrintReport(run_, supervisor_.restarts(), options_.quiet, options_.output);
    return kExitDone;
  }
  if (supervisor_.failure() && interrupts_ == 0) {
    for (const std::string& line :
         RenderFailure(*supervisor_.failure(), options_.resume_command)) {
      std::fprintf(stderr, "ahactl: %s\n", line.c_str());
    }
  }
  if (summarised && options_.output != Output::kTable) {
    PrintReport(run_, supervisor_.restarts(), true, options_.output);
  }
  if (state == JobState::kFailed) {
    std::fprintf(
        stderr, "ahactl: job %s failed: %s\nahactl: logs: %s\n",
        options_.job_name.c_str(),
        problem.empty() ? "no reason was given" : OneLine(problem).c_str(),
        run_.File("logs/").c_str());
    return interrupts_ > 0 ? kExitInterrupted : kExitJobFailed;
  }
  if (supervisor_.failure() && interrupts_ == 0) {
    // What refuses a resume is what the run was begun with: another machine,
    // other files.
    return supervisor_.failure()->refused && options_.supervisor.resume
               ? kExitConflict
               : kExitError;
  }
  const bool asked = interrupts_ > 0 || state == JobState::kStopped;
  if (!options_.quiet || !asked) {
    const std::string why =
        problem.empty() ? "" : absl::StrCat(" (", OneLine(problem), ")");
    const bool screen = options_.output == Output::kTable && !options_.quiet;
    std::fprintf(screen ? stdout : stderr, "job %s %s%s; go on with: %s\n",
                 options_.job_name.c_str(),
                 state == JobState::kStopped ? "stopped" : "ended early",
                 why.c_str(), options_.resume_command.c_str());
  }
  return asked ? kExitInterrupted : kExitError;
}

// A prompt of the last step, for the example command.
std::string ExamplePrompt(const std::string& path) {
  const absl::StatusOr<RolloutFile> file = ReadRollouts(path);
  if (!file.ok() || file->rollouts.empty()) return "";
  const std::string& prompt = file->rollouts.front().prompt;
  return prompt.size() <= 200 ? prompt : "";
}

}  // namespace

void PrintReport(const RunDirectory& run, int restarts, bool quiet,
                 Output output) {
  if (output != Output::kTable) {
    const absl::StatusOr<Json> summary = ReadJsonFile(run.File("summary.json"));
    if (summary.ok()) Print(*summary, "", output);
    if (!summary.ok()) Report(summary.status());
    return;
  }
  ReportInput input;
  absl::StatusOr<RunSummary> summary = run.ReadSummary();
  if (!summary.ok()) {
    Report(summary.status());
    return;
  }
  input.summary = *std::move(summary);
  input.run_dir = run.path();
  input.restarts = restarts;
  const std::vector<std::string> checkpoints = run.Checkpoints();
  if (!checkpoints.empty()) input.last_checkpoint = checkpoints.back();
  const std::vector<RolloutRef> rollouts = ListRollouts(run.File("rollouts"));
  if (!rollouts.empty()) {
    input.rollout_stage = rollouts.back().stage;
    input.last_rollout_step = rollouts.back().step;
    input.example_prompt = ExamplePrompt(rollouts.back().path);
  }
  if (!quiet) {
    std::printf("\n");
    for (const std::string& line :
         RenderReport(input, TerminalStyle(STDOUT_FILENO))) {
      std::printf("%s\n", line.c_str());
    }
  }
  // For scripts: the same line in every version.
  if (::isatty(STDOUT_FILENO) != 1 || quiet) {
    std::printf("checksum %s\n", input.summary.job.checksum.c_str());
  }
  std::fflush(stdout);
}

int RunSession(SessionOptions options) {
  return Session(std::move(options)).Run();
}

}  // namespace aha::cli
