// The name of this machine.
#pragma once

#include <string>

namespace aha {

// As the kernel knows it; "" if it cannot be found out.
std::string HostName();

}  // namespace aha
