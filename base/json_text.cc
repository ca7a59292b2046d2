#include "base/json_text.h"

#include "nlohmann/json.hpp"

namespace aha {

std::string JsonString(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace aha
