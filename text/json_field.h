// A value in a JSON file together with its path, for errors that name both:
// "model.vocab must be an object, got an array of 1".
//
// It does not own the value, which must outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

struct JsonField {
  const nlohmann::json* value;
  std::string path;

  // Make the errors: Must is INVALID_ARGUMENT, Unsupported is UNIMPLEMENTED.
  absl::Status Must(absl::string_view rule) const;
  absl::Status Unsupported(absl::string_view supported) const;

  absl::StatusOr<std::string> String() const;
  absl::StatusOr<int32_t> Id() const;
  absl::StatusOr<std::vector<JsonField>> Items() const;

  // Return the member `name`. A null member counts as absent.
  std::optional<JsonField> Find(const std::string& name) const;
  absl::StatusOr<JsonField> Get(const std::string& name) const;
  absl::StatusOr<bool> Bool(const std::string& name, bool absent) const;
  absl::StatusOr<std::string> Text(const std::string& name) const;
};

absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text);

}  // namespace aha
