// JSON values as the text that `-o json` and `-o yaml` print.
//
// Bytes that are not UTF-8 become U+FFFD.  Pure functions.
#pragma once

#include <string>

#include "base/lenient_json.h"

namespace aha::cli {

std::string ToJsonText(const Json& value);  // Indented by two spaces.
std::string ToYamlText(const Json& value);

}  // namespace aha::cli
