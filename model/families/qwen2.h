// The Qwen2 family; see qwen2.cc for what it is. Internal to model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& Qwen2Family();

}  // namespace aha
