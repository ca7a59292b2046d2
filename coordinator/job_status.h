// A job and its members as the admin API shows them.  Pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "aha/v1/admin.pb.h"
#include "coordinator/job_run.h"
#include "coordinator/membership.h"
#include "job/plan.h"

namespace aha::coordinator {

// The pointers are not owned.
struct JobStatusInput {
  const JobPlan* plan = nullptr;
  const JobRun* job = nullptr;
  const Membership* members = nullptr;
  std::string run_directory;
};

v1::JobStatus ShowJob(const JobStatusInput& view);

// `leases`: groups that it holds now.
v1::Member ShowMember(const MemberInfo& member, uint64_t leases,
                      absl::Time now);

}  // namespace aha::coordinator
