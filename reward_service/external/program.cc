#include "reward_service/external/program.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "reward_service/external/protocol.h"

namespace aha::reward {
namespace {

constexpr int kLinesOfPeriod = 64;
constexpr absl::Duration kPeriod = absl::Seconds(10);
constexpr size_t kMaxLogLine = 500;
constexpr size_t kPieceBytes = 64 << 10;
// How often it is looked whether the program has ended although something holds
// its stdout open.
constexpr absl::Duration kLook = absl::Milliseconds(100);
constexpr absl::Duration kGrace = absl::Milliseconds(500);

// Terminals would obey control characters.
std::string LogText(absl::string_view line) {
  std::string text = ReplaceMalformedUtf8(line.substr(0, kMaxLogLine));
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t') {
      c = ' ';
    }
  }
  return absl::StrCat(text, line.size() > kMaxLogLine ? "..." : "");
}

}  // namespace

void ProgramLog::Add(absl::string_view bytes) {
  // Of a long line the rest is dropped, so that memory is bounded.
  const auto keep = [this](absl::string_view part) {
    const size_t room = kMaxLogLine + 1 - partial_.size();
    partial_.append(part.data(), std::min(part.size(), room));
  };
  for (size_t end; (end = bytes.find('\n')) != absl::string_view::npos;
       bytes.remove_prefix(end + 1)) {
    keep(bytes.substr(0, end));
    Line(partial_);
    partial_.clear();
  }
  keep(bytes);
}

void ProgramLog::Line(absl::string_view line) {
  if (absl::StripAsciiWhitespace(line).empty()) return;
  last_line_ = LogText(absl::StripAsciiWhitespace(line));
  const absl::Time now = clock_();
  if (now >= period_ends_) {
    period_ends_ = now + kPeriod;
    written_ = 0;
    if (dropped_ > 0) {
      AHA_LOG(kWarning) << label_ << ": " << std::exchange(dropped_, 0)
                        << " more lines of its stderr were not written here";
    }
  }
  if (++written_ > kLinesOfPeriod) {
    ++dropped_;
    return;
  }
  AHA_LOG(kInfo) << label_ << ": " << LogText(line);
}

absl::StatusOr<std::unique_ptr<Program>> Program::Start(Options options) {
  AHA_ASSIGN_OR_RETURN(const PipedChild child,
                       StartPipedChild({.argv = options.argv,
                                        .environment = {},
                                        .log_path = "",
                                        .cpus = {}}));
  return std::unique_ptr<Program>(new Program(std::move(options), child));
}

Program::Program(Options options, PipedChild child)
    : options_(std::move(options)),
      child_(child),
      log_(options_.label, options_.clock) {}

Program::~Program() {
  CloseInput();
  const absl::Time patience = options_.clock() + kGrace;
  while (!failed_ && !HasEnded(child_.pid) && options_.clock() < patience) {
    DrainErrors();
    absl::SleepFor(absl::Milliseconds(5));
  }
  // Before it is reaped, its number cannot be another group's.
  SignalChild(child_.pid, SIGKILL);
  ::waitpid(child_.pid, nullptr, 0);
  DrainErrors();
  ::close(child_.out);
  ::close(child_.err);
}

void Program::CloseInput() {
  if (child_.in >= 0) ::close(std::exchange(child_.in, -1));
}

absl::Status Program::Exchange(absl::string_view requests, absl::Time deadline,
                               const TakeLine& take) {
  failed_ = true;  // Until it has succeeded.
  absl::string_view left = requests;
  while (true) {
    AHA_RETURN_IF_ERROR(Wait(deadline, !left.empty()));
    DrainErrors();
    // What it wrote before its end is read after it was seen.
    const bool ended = HasEnded(child_.pid);
    AHA_ASSIGN_OR_RETURN(const bool done, ReadLines(take));
    if (done) break;
    if (ended || !out_open_) return Ended();
    AHA_RETURN_IF_ERROR(Write(&left));
  }
  failed_ = false;
  return absl::OkStatus();
}

// Waits until something can be read or written, for kLook at most.
absl::Status Program::Wait(absl::Time deadline, bool writing) {
  const absl::Time now = options_.clock();
  if (now >= deadline) {
    return absl::DeadlineExceededError("it did not answer in time");
  }
  pollfd fds[4] = {{options_.stop_fd, POLLIN, 0},
                   {child_.out, POLLIN, 0},
                   {err_open_ ? child_.err : -1, POLLIN, 0},
                   {writing ? child_.in : -1, POLLOUT, 0}};
  const absl::Duration wait = std::min(deadline - now, kLook);
  ::poll(fds, 4, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
  if (fds[0].revents != 0) return absl::CancelledError("the service stops");
  return absl::OkStatus();
}

absl::Status Program::Write(absl::string_view* left) {
  while (!left->empty() && child_.in >= 0) {
    const ssize_t put = ::write(child_.in, left->data(), left->size());
    if (put > 0) {
      left->remove_prefix(static_cast<size_t>(put));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return absl::OkStatus();
    // It has closed its stdin: what it still writes, or its end, says why.
    CloseInput();
    *left = {};
  }
  return absl::OkStatus();
}

void Program::DrainErrors() {
  // Not without bound: it may write faster than this reads.
  char piece[kPieceBytes];
  const ssize_t got = ::read(child_.err, piece, sizeof(piece));
  if (got > 0) log_.Add({piece, static_cast<size_t>(got)});
  if (got == 0) err_open_ = false;
}

absl::StatusOr<bool> Program::ReadLines(const TakeLine& take) {
  char piece[kPieceBytes];
  while (true) {
    const ssize_t got = ::read(child_.out, piece, sizeof(piece));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) out_open_ = false;
    if (got <= 0) return false;
    unread_.append(piece, static_cast<size_t>(got));
    AHA_ASSIGN_OR_RETURN(const bool done, TakeLines(take));
    if (done) return true;
  }
}

absl::StatusOr<bool> Program::TakeLines(const TakeLine& take) {
  size_t begin = 0;
  bool done = false;
  for (size_t end;
       !done && (end = unread_.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const absl::string_view line = absl::StripAsciiWhitespace(
        absl::string_view(unread_).substr(begin, end - begin));
    if (line.size() > kMaxReplyBytes) {
      begin = 0;
      break;
    }
    if (line.empty()) continue;
    AHA_ASSIGN_OR_RETURN(done, take(line));
  }
  unread_.erase(0, begin);
  if (!done && unread_.size() > kMaxReplyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it wrote a line of more than ", kMaxReplyBytes,
                     " bytes to its stdout"));
  }
  return done;
}

// Why there will be no more lines.
absl::Status Program::Ended() {
  const absl::Time patience = options_.clock() + kLook;
  while (!HasEnded(child_.pid) && options_.clock() < patience) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  std::string how = "it closed its stdout";
  if (HasEnded(child_.pid)) {
    // What it started ends with it.
    SignalChild(child_.pid, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOWAIT);
    const ProcessExit exit =
        info.si_code == CLD_EXITED
            ? ProcessExit{.code = info.si_status, .signal = 0}
            : ProcessExit{.code = 0, .signal = info.si_status};
    how = absl::StrCat("it ended with ", exit.Describe());
  }
  // A traceback is written before the end.
  for (int i = 0; i < 16; ++i) DrainErrors();
  if (!log_.last_line().empty()) {
    absl::StrAppend(&how, "; the last line of its stderr: ", log_.last_line());
  }
  return absl::AbortedError(how);
}

}  // namespace aha::reward
