// The bytes of a data file from front to back, decompressed on the way. Use
// OpenByteStream for everything that a user names as data.
//
// gzip and Zstandard are recognised by their first bytes, whatever the file is
// called. A stream holds a few buffers of 64 KiB and the decompressor's window
// (at most 128 MiB), however large the file is. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Writes at least one byte into `data` and returns how many; 0 at the end.
  // INVALID_ARGUMENT for compressed data that is damaged or cut off, and when
  // the limit is passed. REQUIRES: data is not empty.
  virtual absl::StatusOr<size_t> Read(absl::Span<char> data) = 0;
};

// `limit` bounds the bytes that come out, so that a small file cannot fill the
// memory. NOT_FOUND if there is no such file; errors of the stream do not name
// the file.
absl::StatusOr<std::unique_ptr<ByteStream>> OpenByteStream(
    const std::string& path, uint64_t limit);
// The same for bytes in memory, which must outlive the stream.
absl::StatusOr<std::unique_ptr<ByteStream>> ByteStreamOf(
    absl::string_view bytes, uint64_t limit);

}  // namespace aha
