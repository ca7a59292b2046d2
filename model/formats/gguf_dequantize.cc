// Converts the tensor formats of GGUF to floats (model/formats/gguf.h). A
// quantized block is a float16 scale, for Q4_1 also a float16 minimum, and 32
// integers.
#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "device/dtype.h"
#include "model/formats/gguf.h"

namespace aha {
namespace {

static_assert(std::endian::native == std::endian::little,
              "GGUF data is used as it lies in the file");

constexpr int64_t kQuantBlock = 32;

template <class T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The low nibbles are the first half of the block, the high nibbles the second.
struct Nibbles {
  const char* bytes;
  int operator[](int64_t i) const {
    const uint8_t byte = static_cast<uint8_t>(bytes[i % (kQuantBlock / 2)]);
    return i < kQuantBlock / 2 ? byte & 0xF : byte >> 4;
  }
};

// Writes up to 32 numbers of the block at `block`.
void DequantizeBlock(GgufType type, const char* block, absl::Span<float> out) {
  const float scale = HalfToFloat(Load<uint16_t>(block));
  const int64_t count = static_cast<int64_t>(out.size());
  if (type == GgufType::kQ8_0) {
    for (int64_t i = 0; i < count; ++i) {
      out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
    }
  } else if (type == GgufType::kQ4_0) {
    const Nibbles nibbles{block + 2};
    for (int64_t i = 0; i < count; ++i) {
      out[i] = scale * static_cast<float>(nibbles[i] - 8);
    }
  } else {
    const float minimum = HalfToFloat(Load<uint16_t>(block + 2));
    const Nibbles nibbles{block + 4};
    for (int64_t i = 0; i < count; ++i) {
      out[i] = scale * static_cast<float>(nibbles[i]) + minimum;
    }
  }
}

float LoadPlain(GgufType type, const char* from) {
  if (type == GgufType::kF32) return Load<float>(from);
  const uint16_t bits = Load<uint16_t>(from);
  return type == GgufType::kF16 ? HalfToFloat(bits) : ToFloat(Bf16{bits});
}

}  // namespace

GgufBlock BlockOf(uint32_t type) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kF32:
      return {1, 4};
    case GgufType::kF16:
    case GgufType::kBf16:
      return {1, 2};
    case GgufType::kQ4_0:
      return {kQuantBlock, 2 + kQuantBlock / 2};
    case GgufType::kQ4_1:
      return {kQuantBlock, 4 + kQuantBlock / 2};
    case GgufType::kQ8_0:
      return {kQuantBlock, 2 + kQuantBlock};
  }
  return {0, 0};
}

std::string GgufTypeName(uint32_t type) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kF32:
      return "F32";
    case GgufType::kF16:
      return "F16";
    case GgufType::kBf16:
      return "BF16";
    case GgufType::kQ4_0:
      return "Q4_0";
    case GgufType::kQ4_1:
      return "Q4_1";
    case GgufType::kQ8_0:
      return "Q8_0";
  }
  return absl::StrCat("type ", type);
}

void Dequantize(GgufType type, const char* from, absl::Span<float> out) {
  const GgufBlock block = BlockOf(static_cast<uint32_t>(type));
  const int64_t count = static_cast<int64_t>(out.size());
  for (int64_t i = 0; i < count; i += block.numbers, from += block.bytes) {
    if (block.numbers == 1) {
      out[i] = LoadPlain(type, from);
    } else {
      DequantizeBlock(type, from,
                      out.subspan(i, std::min(kQuantBlock, count - i)));
    }
  }
}

}  // namespace aha
