// The Mixtral family; see mixtral.cc for what it is. Internal to
// model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& MixtralFamily();

}  // namespace aha
