// How many compute threads a process of a job takes.
#pragma once

#include "aha/v1/job.pb.h"

namespace aha {

// The flag if it is not 0, else the job's cluster.threads if that is not 0,
// else all cores that this process may run on.  (`ahactl run` gives the flag; a
// process that was started by hand is assumed to have the machine to itself.)
int ComputeThreads(int flag, const v1::Job& job);

}  // namespace aha
