// The members of a job as targets of Prometheus (file_sd): the text of
// targets.json in the run directory, which is rewritten when a member joins or
// leaves.  Pure.
#pragma once

#include <string>
#include <vector>

#include "aha/v1/admin.pb.h"

namespace aha::coordinator {

// One entry for each process that has a Prometheus endpoint, that of the
// coordinator first, with the labels `job`, `service` and `instance` (its
// name).
std::string TargetsJson(const std::string& job,
                        const std::string& coordinator_address,
                        const std::vector<v1::Member>& members);

}  // namespace aha::coordinator
