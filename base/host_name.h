// The name of this machine, as gethostname gives it.
#pragma once

#include <string>

namespace aha {

// Empty if the system does not say.
std::string HostName();

}  // namespace aha
