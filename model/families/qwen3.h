// The Qwen3 family; see qwen3.cc for what it is. Internal to model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& Qwen3Family();

}  // namespace aha
