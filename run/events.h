// events.jsonl: what happened to a run, a line each.
//
// The coordinator and `ahactl run` append to the same file, each line by one
// write, and only ever append.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/lenient_json.h"

namespace aha::run {

struct Event {
  double time = 0;           // Seconds since 1970.
  std::string event = {};    // A word: "joined", "checkpoint", "process died".
  std::string process = {};  // That it is about; empty if it is the whole job.
  std::string text = {};     // For people.
};

// Without the newline.
std::string EventLine(const Event& event);
Event ParseEvent(const Json& line);

}  // namespace aha::run
