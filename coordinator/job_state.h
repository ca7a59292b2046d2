// Names of the states of a job, as summary.json, the database and the metrics
// have them.
#pragma once

#include "aha/v1/admin.pb.h"

namespace aha::coordinator {

const char* StateName(v1::JobState state);  // "running"

// Whether the job has ended: nothing happens in this state by itself.
bool IsEndState(v1::JobState state);

}  // namespace aha::coordinator
