// The name of this machine, as gethostname gives it.
#pragma once

#include <string>

namespace aha {

// Returns "" if the system does not give it.
std::string HostName();

}  // namespace aha
