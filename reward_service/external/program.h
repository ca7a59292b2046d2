// A running program of the user's that judges completions: one process, to
// which lines are written and from which lines are read.
//
//   AHA_ASSIGN_OR_RETURN(auto program, Program::Start({.argv = {"./judge"}}));
//   status = program->Exchange(requests, deadline, take_line);
//   program.reset();  // Ends the process and what it started.
//
// No wait is longer than its deadline, and none outlives the owner's stop.  A
// line of stdout is bounded (kMaxReplyBytes).  Lines of stderr go into this
// process's log; of a flood of them most are dropped and counted.
//
// Used by one thread, which lives as long as the program (base/child_process.h
// says why).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/child_process.h"
#include "base/clock.h"

namespace aha::reward {

// Writes the lines of a program into the log.  In each period of 10 seconds the
// first 64 lines are written, cut to 500 bytes each; the others are counted.
class ProgramLog {
 public:
  ProgramLog(std::string label, Clock clock)
      : label_(std::move(label)), clock_(std::move(clock)) {}

  void Add(absl::string_view bytes);
  // The last line that was not blank.
  const std::string& last_line() const { return last_line_; }

 private:
  void Line(absl::string_view line);

  const std::string label_;
  const Clock clock_;
  std::string partial_;  // The line that has not ended.
  std::string last_line_;
  absl::Time period_ends_ = absl::InfinitePast();
  int written_ = 0;       // Lines of this period.
  uint64_t dropped_ = 0;  // Lines since the last one that was written.
};

class Program {
 public:
  struct Options {
    std::vector<std::string> argv;  // argv[0] is the path of an executable.
    std::string label;              // Begins its lines in the log.
    int stop_fd = -1;               // Becomes readable if the owner stops.
    Clock clock;
  };
  // The error says why the program cannot be run.
  static absl::StatusOr<std::unique_ptr<Program>> Start(Options options);
  // Closes its stdin and gives it half a second to end, or none after an
  // exchange that failed; then kills it with everything that it started.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Takes a line of stdout; true: this was the last one that is waited for.
  using TakeLine = std::function<absl::StatusOr<bool>(absl::string_view line)>;

  // Writes `requests` and passes lines to `take` until it has the last one.
  //   DEADLINE_EXCEEDED  not all lines came before the deadline
  //   ABORTED            the program ended, or closed its stdout
  //   CANCELLED          the owner stops
  //   others             from `take`, or INVALID_ARGUMENT for a line without
  //                      end
  // After an error the program is of no use any more.
  absl::Status Exchange(absl::string_view requests, absl::Time deadline,
                        const TakeLine& take);

 private:
  Program(Options options, PipedChild child);

  absl::Status Wait(absl::Time deadline, bool writing);
  absl::Status Write(absl::string_view* left);
  void DrainErrors();
  // Reads what is there.  True: `take` has the last line.
  absl::StatusOr<bool> ReadLines(const TakeLine& take);
  absl::StatusOr<bool> TakeLines(const TakeLine& take);
  absl::Status Ended();
  void CloseInput();

  const Options options_;
  PipedChild child_;
  ProgramLog log_;
  std::string unread_;    // Bytes of stdout that are not a whole line yet.
  bool out_open_ = true;  // Its stdout has not ended.
  bool err_open_ = true;  // Its stderr has not ended.
  bool failed_ = false;   // An exchange failed.
};

}  // namespace aha::reward
