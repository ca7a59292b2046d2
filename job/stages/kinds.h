// The stage kinds, each defined in the file of its name; for the table of
// stage_kind.cc only.  Everything else finds a kind by FindStageKind.
#pragma once

#include "job/stages/stage_kind.h"

namespace aha {

const StageKind& SftKind();
const StageKind& GrpoKind();
const StageKind& EvalKind();
const StageKind& SampleKind();

}  // namespace aha
