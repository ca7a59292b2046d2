// The members of a job as Prometheus discovers them (file_sd): targets.json in
// the run directory, rewritten when one joins or leaves.  Pure.
#pragma once

#include <string>
#include <vector>

#include "aha/v1/admin.pb.h"

namespace aha::coordinator {

// One group a process that has a Prometheus endpoint, the coordinator's first,
// with the labels `job`, `service` and `instance` (its name).
std::string TargetsJson(const std::string& job,
                        const std::string& coordinator_address,
                        const std::vector<v1::Member>& members);

}  // namespace aha::coordinator
