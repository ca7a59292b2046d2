// Plain structs as bytes, for what ranks of one build tell each other.
#pragma once

#include <cstring>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace aha::learner {

template <class T>
void AppendBytes(std::string* bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Cuts a T off the front; false if there are too few bytes.
template <class T>
bool TakeBytes(absl::string_view* bytes, T* value) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes->size() < sizeof(T)) return false;
  std::memcpy(value, bytes->data(), sizeof(T));
  bytes->remove_prefix(sizeof(T));
  return true;
}

}  // namespace aha::learner
