#include "cli/report/event_text.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/term/text.h"

namespace aha::cli {

std::string EventText(const run::Event& event) {
  std::string text =
      event.time > 0
          ? absl::FormatTime("%H:%M:%S",
                             absl::UnixEpoch() + absl::Seconds(event.time),
                             absl::LocalTimeZone())
          : "";
  absl::StrAppend(&text, "  ", event.event.empty() ? "?" : event.event);
  for (const std::string& part : {event.process, event.text}) {
    if (!part.empty()) absl::StrAppend(&text, "  ", part);
  }
  return OneLine(text);
}

std::string EventText(absl::string_view line) {
  const Json event = ParseStoredJson(line, "event").value_or(nullptr);
  return event.is_object() ? EventText(run::ParseEvent(event)) : OneLine(line);
}

}  // namespace aha::cli
