// The choice behind CurrentIsa (isa.h), for programs that would rather report
// an error than end.
#pragma once

#include "absl/status/statusor.h"
#include "device/isa.h"

namespace aha::ops {

// `asked`: AHA_CPU_ISA's value; null or empty: the best that this CPU has.
// INVALID_ARGUMENT if it names a set that is unknown or missing here,
// UNIMPLEMENTED if the CPU has none that we know.
absl::StatusOr<Isa> ChooseIsa(const char* asked);

}  // namespace aha::ops
