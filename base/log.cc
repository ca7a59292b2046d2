#include "base/log.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"

namespace aha {
namespace {

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};

struct Identity {
  Mutex mutex;
  std::string text ABSL_GUARDED_BY(mutex);
};

Identity& GlobalIdentity() {
  static Identity& identity = *new Identity;  // Outlives static destructors.
  return identity;
}

char Letter(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 'D';
    case LogLevel::kInfo:
      return 'I';
    case LogLevel::kWarning:
      return 'W';
    case LogLevel::kError:
      return 'E';
  }
  return '?';
}

}  // namespace

void SetLogIdentity(std::string identity) {
  Identity& global = GlobalIdentity();
  MutexLock lock(global.mutex);
  global.text = std::move(identity);
}

void SetLogLevel(LogLevel level) { minimum_level = level; }

bool LogEnabled(LogLevel level) { return level >= minimum_level.load(); }

LogLine::~LogLine() {
  std::string line = absl::StrCat(
      absl::FormatTime("%H:%M:%E3S ", absl::Now(), absl::LocalTimeZone()),
      std::string(1, Letter(level_)), " ");
  {
    Identity& global = GlobalIdentity();
    MutexLock lock(global.mutex);
    absl::StrAppend(&line, global.text);
  }
  absl::StrAppend(&line, " ", text_.str(), "\n");
  // A log line that cannot be written has nowhere to be reported.
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace aha
