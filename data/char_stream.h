// A byte stream as characters with line numbers, for the readers of rows;
// internal to data/. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/byte_stream.h"

namespace aha {

class CharStream {
 public:
  static constexpr int kEnd = -1;

  // A byte-order mark at the beginning is left out.
  explicit CharStream(std::unique_ptr<ByteStream> bytes);

  // The next byte, 0 to 255, or kEnd at the end or after an error.
  int Peek() {
    if (next_ == size_) Fill();
    return next_ < size_ ? static_cast<uint8_t>(buffer_[next_]) : kEnd;
  }
  int Get() {
    const int byte = Peek();
    if (byte == kEnd) return byte;
    ++next_;
    line_ += byte == '\n';
    return byte;
  }
  // The first bytes of the stream, at most 64 KiB, before anything is read.
  absl::string_view Head();
  // The line of the next byte, from 1.
  uint64_t line() const { return line_; }
  // What ended the stream early; OK at a regular end.
  const absl::Status& status() const { return status_; }

 private:
  void Fill();

  const std::unique_ptr<ByteStream> bytes_;
  std::string buffer_;
  size_t next_ = 0;
  size_t size_ = 0;
  uint64_t line_ = 1;
  bool ended_ = false;
  absl::Status status_;
};

}  // namespace aha
