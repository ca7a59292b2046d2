// Splits a fuzzer's input into messages that arrive one after the other:
//
//   (kind: 1 byte, size: 2 bytes, little-endian, message: size bytes) ...
//
// A size beyond the end means all that is left, so every input is a sequence of
// messages.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace aha::fuzz {

class Messages {
 public:
  Messages(const uint8_t* data, size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}

  // Returns false at the end.
  bool Next() {
    if (left_.size() < 3) return false;
    const auto byte = [this](size_t i) {
      return static_cast<uint8_t>(left_[i]);
    };
    kind_ = byte(0);
    const size_t size = byte(1) | size_t{byte(2)} << 8;
    left_.remove_prefix(3);
    bytes_ = left_.substr(0, size);
    left_.remove_prefix(bytes_.size());
    return true;
  }

  uint8_t kind() const { return kind_; }
  absl::string_view bytes() const { return bytes_; }
  // Returns the message; it is empty if it cannot be parsed, because such a
  // message never reaches a handler.
  template <class Message>
  Message As() const {
    Message message;
    if (!message.ParseFromArray(bytes_.data(),
                                static_cast<int>(bytes_.size()))) {
      message.Clear();
    }
    return message;
  }

 private:
  absl::string_view left_, bytes_;
  uint8_t kind_ = 0;
};

}  // namespace aha::fuzz
