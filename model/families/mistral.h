// The Mistral family; see mistral.cc for what it is. Internal to
// model/families/.
#pragma once

#include "model/families/family.h"

namespace aha {

const Family& MistralFamily();

}  // namespace aha
