// Implements base/hash.h with libxxhash's streaming and one-shot functions.
#include "base/hash.h"

#include <xxhash.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace aha {
namespace {

Hash128 Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Hash128 result;
  static_assert(sizeof(canonical.digest) == sizeof(result.bytes));
  std::memcpy(result.bytes.data(), canonical.digest, sizeof(canonical.digest));
  return result;
}

}  // namespace

std::string Hash128::Hex() const { return absl::BytesToHexString(ToBytes()); }

std::string Hash128::ToBytes() const {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::StatusOr<Hash128> Hash128::FromBytes(absl::string_view bytes) {
  Hash128 result;
  if (bytes.size() != result.bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a checksum has 16 bytes, got ", bytes.size()));
  }
  std::memcpy(result.bytes.data(), bytes.data(), bytes.size());
  return result;
}

absl::StatusOr<Hash128> Hash128::FromHex(absl::string_view hex) {
  // The length comes first, so that the message below is short.
  if (hex.size() != 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("a checksum has 32 hexadecimal digits, got ", hex.size()));
  }
  for (const char c : hex) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError(
          absl::StrCat("a checksum has only hexadecimal digits, got '",
                       absl::CHexEscape(hex), "'"));
    }
  }
  return FromBytes(absl::HexStringToBytes(hex));
}

Hash128 HashBytes(const void* data, size_t size) {
  return Canonical(XXH3_128bits(data, size));
}

uint64_t Hash64(const void* data, size_t size) {
  return XXH3_64bits(data, size);
}

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh);
}

Hasher::~Hasher() = default;

void Hasher::Raw(const void* data, size_t size) {
  XXH3_128bits_update(state_->xxh, data, size);
}

void Hasher::U64(uint64_t value) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  Raw(bytes, sizeof(bytes));
}

void Hasher::String(absl::string_view text) {
  U64(text.size());
  Raw(text.data(), text.size());
}

Hash128 Hasher::Finish() const {
  return Canonical(XXH3_128bits_digest(state_->xxh));
}

}  // namespace aha
