#include "run/events.h"

#include "run/fields.h"

namespace aha::run {

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& event, Event*) {
  fields("time", event.time);
  fields("event", event.event);
  fields.NotEmpty("process", event.process);
  fields("text", event.text);
}

std::string EventLine(const Event& event) { return ToLine(event); }

Event ParseEvent(const Json& line) { return FromJson<Event>(line); }

}  // namespace aha::run
