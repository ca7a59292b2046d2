// FLINT keeps memory for each thread that used it; this frees it when the
// thread ends.
#pragma once

namespace aha::rewards::math {

// Call it before the first use of FLINT in a function.
void CleanUpFlintWithThread();

}  // namespace aha::rewards::math
