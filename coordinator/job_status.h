// A job and its members as the admin API shows them.  Pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "aha/v1/admin.pb.h"
#include "coordinator/job_run.h"
#include "coordinator/membership.h"
#include "job/plan.h"
#include "run/job_view.h"

namespace aha::coordinator {

// The pointers are not owned.
struct JobStatusInput {
  const JobPlan* plan = nullptr;
  const JobRun* job = nullptr;
  const Membership* members = nullptr;
  std::string run_directory;
};

// The number of a state is the same on the wire and in run/job_view.h.  A state
// that the wire does not have is UNSPECIFIED.
v1::JobState ToWire(run::JobState state);

v1::JobStatus ShowJob(const JobStatusInput& view);

// `leases`: groups that it holds now.
v1::Member ShowMember(const MemberInfo& member, uint64_t leases,
                      absl::Time now);

}  // namespace aha::coordinator
