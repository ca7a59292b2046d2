// The project's checksum: XXH3-128 (https://xxhash.com), canonical big-endian.
// Weights, checkpoints, files and the results of jobs are compared with it.
//
// It detects accidental changes of weights, checkpoints and results. It does
// not protect against an attacker; TLS decides which process may send them.
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
  // 16 raw bytes, as messages carry them.
  std::string ToBytes() const;
  static absl::StatusOr<Hash128> FromBytes(absl::string_view bytes);
  static absl::StatusOr<Hash128> FromHex(absl::string_view hex);

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

Hash128 HashBytes(const void* data, size_t size);
uint64_t Hash64(const void* data, size_t size);

// Hashes a sequence of fields. Integers are hashed little-endian and strings
// with their length in front, so that two different sequences cannot collide by
// concatenation. Not thread-safe.
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
