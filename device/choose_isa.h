// Chooses an instruction set: the choice behind CurrentIsa (isa.h), for
// programs that report an error instead of ending.
#pragma once

#include "absl/status/statusor.h"
#include "device/isa.h"

namespace aha::ops {

// `asked` is the value of AHA_CPU_ISA; if it is null or empty, the best set of
// this CPU is chosen. Returns INVALID_ARGUMENT if `asked` is unknown or this
// CPU lacks it, and UNIMPLEMENTED if the CPU has none of our sets.
absl::StatusOr<Isa> ChooseIsa(const char* asked);

}  // namespace aha::ops
