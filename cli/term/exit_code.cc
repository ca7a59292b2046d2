#include "cli/term/exit_code.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_split.h"
#include "cli/term/text.h"

namespace aha::cli {

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return kExitConflict;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitDenied;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnavailable;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitError;
  }
}

int WriteOut(const char* program, int code) {
  bool failed = std::ferror(stdout) != 0;
  // A stream forgets why it failed.  Writing once more fails for the same
  // reason.
  if (failed) std::fputc('\n', stdout);
  errno = 0;
  failed = std::fflush(stdout) != 0 || failed;
  if (!failed) return code;
  std::fprintf(stderr, "%s: stdout: not everything could be written%s%s\n",
               program, errno == 0 ? "" : ": ",
               errno == 0 ? "" : std::strerror(errno));
  return code == kExitDone ? kExitError : code;
}

int Report(const absl::Status& status) {
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    if (status.ok() || line.empty()) continue;
    std::fprintf(stderr, "ahactl: %s\n", OneLine(line).c_str());
  }
  return ExitCodeOf(status);
}

void PrintNotes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    std::fprintf(stderr, "ahactl: note: %s\n", OneLine(note).c_str());
  }
}

}  // namespace aha::cli
