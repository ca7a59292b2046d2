// Implements text/json_field.h. Every error is made by Must or Unsupported, so
// all of them name the path and show the value in the same form.
#include "text/json_field.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

using Json = nlohmann::json;

// Ids are int32 everywhere, and no vocabulary comes close to this size.
constexpr int64_t kMaxId = (1 << 24) - 1;

std::string Show(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return absl::StrCat("an object of ", value.size());
    case Json::value_t::array:
      return absl::StrCat("an array of ", value.size());
    case Json::value_t::string:
      return Quote(value.get_ref<const std::string&>());
    default:
      return value.dump();
  }
}

}  // namespace

absl::Status JsonField::Must(absl::string_view rule) const {
  return absl::InvalidArgumentError(
      absl::StrCat(path, " must be ", rule, ", got ", Show(*value)));
}

absl::Status JsonField::Unsupported(absl::string_view supported) const {
  return absl::UnimplementedError(absl::StrCat(
      path, ": ", Show(*value), " is not supported; only ", supported));
}

absl::StatusOr<std::string> JsonField::String() const {
  if (!value->is_string()) return Must("a string");
  return value->get<std::string>();
}

absl::StatusOr<int32_t> JsonField::Id() const {
  if (!value->is_number_integer()) return Must("an integer");
  // get<int64_t>() would wrap a huge unsigned number.
  if (value->is_number_unsigned() && value->get<uint64_t>() > kMaxId) {
    return Must(absl::StrCat("at most ", kMaxId));
  }
  const int64_t id = value->get<int64_t>();
  if (id < 0 || id > kMaxId) return Must(absl::StrCat("in 0..", kMaxId));
  return static_cast<int32_t>(id);
}

std::optional<JsonField> JsonField::Find(const std::string& name) const {
  if (!value->is_object()) return std::nullopt;
  const auto found = value->find(name);
  if (found == value->end() || found->is_null()) return std::nullopt;
  return JsonField{&*found, absl::StrCat(path, path.empty() ? "" : ".", name)};
}

absl::StatusOr<JsonField> JsonField::Get(const std::string& name) const {
  if (std::optional<JsonField> field = Find(name)) return *std::move(field);
  return absl::InvalidArgumentError(
      absl::StrCat(path, path.empty() ? "" : ".", name, " is missing"));
}

absl::StatusOr<bool> JsonField::Bool(const std::string& name,
                                     bool absent) const {
  const std::optional<JsonField> field = Find(name);
  if (!field) return absent;
  if (!field->value->is_boolean()) return field->Must("true or false");
  return field->value->get<bool>();
}

absl::StatusOr<std::string> JsonField::Text(const std::string& name) const {
  AHA_ASSIGN_OR_RETURN(const JsonField field, Get(name));
  return field.String();
}

absl::StatusOr<std::vector<JsonField>> JsonField::Items() const {
  if (!value->is_array()) return Must("an array");
  std::vector<JsonField> items;
  items.reserve(value->size());
  for (size_t i = 0; i < value->size(); ++i) {
    items.push_back({&(*value)[i], absl::StrCat(path, "[", i, "]")});
  }
  return items;
}

absl::StatusOr<Json> ParseJsonObject(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(Json json, ParseJson<Json>(text));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a JSON object, got ", Show(json)));
  }
  return json;
}

}  // namespace aha
