// Forwards to job/plan.h, where the plan of a job lives now; to be removed with
// its last include.
#pragma once

#include "job/plan.h"
