// The project's checksum: XXH3-128 (https://xxhash.com), canonical big-endian.
//
// It finds accidents, not attackers: weights, checkpoints and results are
// compared by it, and who may send them is decided by TLS.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

struct Hash128 {
  std::array<uint8_t, 16> bytes{};

  std::string Hex() const;  // 32 lower-case digits.
  // 16 raw bytes, as they travel in messages.
  std::string ToBytes() const;
  static absl::StatusOr<Hash128> FromBytes(absl::string_view bytes);
  static absl::StatusOr<Hash128> FromHex(absl::string_view hex);

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

Hash128 HashBytes(const void* data, size_t size);
uint64_t Hash64(const void* data, size_t size);

// Hashes what it is fed, in order.  Integers are fed little-endian, strings
// with their length, so that two sequences of fields cannot collide by
// concatenation.  Not thread-safe.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void Raw(const void* data, size_t size);
  void U64(uint64_t value);
  void String(absl::string_view text);
  void Hash(const Hash128& hash) { Raw(hash.bytes.data(), hash.bytes.size()); }
  Hash128 Finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha
