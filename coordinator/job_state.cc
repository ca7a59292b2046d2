#include "coordinator/job_state.h"

namespace aha::coordinator {

const char* StateName(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_PENDING:
      return "pending";
    case v1::JOB_STATE_RUNNING:
      return "running";
    case v1::JOB_STATE_PAUSED:
      return "paused";
    case v1::JOB_STATE_STOPPING:
      return "stopping";
    case v1::JOB_STATE_STOPPED:
      return "stopped";
    case v1::JOB_STATE_SUCCEEDED:
      return "succeeded";
    case v1::JOB_STATE_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

bool IsEndState(v1::JobState state) {
  return state == v1::JOB_STATE_STOPPED || state == v1::JOB_STATE_SUCCEEDED ||
         state == v1::JOB_STATE_FAILED;
}

}  // namespace aha::coordinator
