// Log lines for humans: "12:03:04.567 I aha-actor[actor-0] text" on stderr.
//
//   AHA_LOG(kInfo) << "registered as " << name;
//
// Each line is a single write(2), so lines of several threads or processes do
// not mix. Thread-safe.
#pragma once

#include <sstream>
#include <string>

namespace aha {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Set which process the lines name ("aha-actor[actor-0]") and the lowest level
// that is written. Call them in main.
void SetLogIdentity(std::string identity);
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

class LogLine {
 public:
  explicit LogLine(LogLevel level) : level_(level) {}
  ~LogLine();
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;

  template <class T>
  LogLine& operator<<(const T& value) {
    text_ << value;
    return *this;
  }

 private:
  const LogLevel level_;
  std::ostringstream text_;
};

}  // namespace aha

#define AHA_LOG(level)                          \
  if (!aha::LogEnabled(aha::LogLevel::level)) { \
  } else                                        \
    aha::LogLine(aha::LogLevel::level)
