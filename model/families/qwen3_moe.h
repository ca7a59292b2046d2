// The Qwen3Moe family; see qwen3_moe.cc for what it is. Internal to
// model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& Qwen3MoeFamily();

}  // namespace aha
