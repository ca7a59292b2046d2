// The Gemma 3 family; see gemma3.cc for what it is. Internal to
// model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& Gemma3Family();

}  // namespace aha
