// Jobs as tables, as text and as JSON.  Reads the run directory; asks nobody.
#pragma once

#include <string>
#include <vector>

#include "cli/report/job_view.h"
#include "cli/report/progress.h"
#include "cli/report/run_directory.h"

namespace aha::cli {

// A row a job: NAME STATE STAGE STEP PASS@1 TIME CHECKSUM DIRECTORY.
std::string JobTable(const std::vector<JobView>& jobs);

// A row a member: NAME ROLE STATE SEEN LEASES TOKENS/S WAITING_FOR.
std::string MemberTable(const std::vector<MemberView>& members);

std::vector<std::string> DescribeText(const JobView& job,
                                      const std::vector<MemberView>& members,
                                      const RunDirectory& run,
                                      const Style& style);

Json DescribeJson(const JobView& job, const std::vector<MemberView>& members,
                  const RunDirectory& run);

}  // namespace aha::cli
