// The exit codes of ahactl and aha-model (docs/run-directory.md), and how a
// program reports an error and ends.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace aha::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnchanged = 3;
inline constexpr int kExitNotFound = 4;
inline constexpr int kExitConflict = 5;
inline constexpr int kExitDenied = 6;
inline constexpr int kExitUnavailable = 7;
inline constexpr int kExitJobFailed = 8;
inline constexpr int kExitInterrupted = 130;

int ExitCodeOf(const absl::Status& status);

// Prints "ahactl: <message>" to stderr, a line for each line of the message,
// and returns the exit code.
int Report(const absl::Status& status);

// Prints each note to stderr: "ahactl: note: <note>".
void PrintNotes(const std::vector<std::string>& notes);

// Flushes stdout and returns `code`, or kExitError in place of kExitDone if
// stdout did not take everything; a line on stderr then gives the reason.
// Called last in main.
int WriteOut(const char* program, int code);

}  // namespace aha::cli
