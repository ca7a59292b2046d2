// Plain structs as bytes, for messages between the ranks of a rank set.  Layout
// and byte order are those of this build: all ranks run the same one.
#pragma once

#include <cstring>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace aha::learner {

// Appends the bytes of `value`.
template <class T>
void AppendBytes(std::string* bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Takes a T from the front of *bytes; false if there are too few bytes.
template <class T>
bool TakeBytes(absl::string_view* bytes, T* value) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes->size() < sizeof(T)) return false;
  std::memcpy(value, bytes->data(), sizeof(T));
  bytes->remove_prefix(sizeof(T));
  return true;
}

}  // namespace aha::learner
