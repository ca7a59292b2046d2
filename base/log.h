// Log lines for people: "12:03:04.567 I aha-actor[actor-0] text" on stderr.
//
//   AHA_LOG(kInfo) << "registered as " << name;
//
// One line is one write(2), so lines of several threads or processes do not
// mix.  Thread-safe.
#pragma once

#include <sstream>
#include <string>

namespace aha {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Who speaks ("aha-actor[actor-0]") and from which level on.  Call in main.
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
