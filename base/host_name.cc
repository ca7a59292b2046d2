#include "base/host_name.h"

#include <unistd.h>

#include <climits>

namespace aha {

std::string HostName() {
  // The longest name and its end: gethostname fails where the end does not fit.
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof(name)) == 0 ? name : "";
}

}  // namespace aha
