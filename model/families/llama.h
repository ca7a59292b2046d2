// The Llama family; see llama.cc for what it is. Internal to model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& LlamaFamily();

}  // namespace aha
