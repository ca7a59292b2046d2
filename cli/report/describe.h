// Jobs and the processes that work on them, as tables, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/term/style.h"
#include "run/feed.h"

namespace aha::cli {

// One row for each job: NAME STATE STAGE STEP PASS@1 TIME CHECKSUM DIRECTORY.
std::string JobTable(const std::vector<run::JobView>& jobs);

// A row a member: NAME ROLE STATE SEEN LEASES TOKENS/S WAITING_FOR.
std::string MemberTable(const std::vector<run::MemberView>& members);

// Everything that is known of a job.  The only error is that of feed.Job().
absl::StatusOr<std::vector<std::string>> DescribeText(run::JobFeed& feed,
                                                      const Style& style);
absl::StatusOr<Json> DescribeJson(run::JobFeed& feed);

}  // namespace aha::cli
