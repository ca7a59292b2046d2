// Exit codes of docs/design.md section 10.
#pragma once

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

// What a program that ends with `code` exits with once its output is written:
// kExitError in place of kExitDone if stdout did not take all of it, which a
// line on stderr says with the reason.  Last in main.
int WriteOut(const char* program, int code);

// Prints "ahactl: <message>" to stderr, one line, and gives the exit code.
int Report(const absl::Status& status);

}  // namespace aha::cli
