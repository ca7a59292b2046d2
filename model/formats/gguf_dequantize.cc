// Converts the tensor formats of GGUF to floats (model/formats/gguf.h). A
// quantized block is one or two float16 scales and small integers: 32 of them,
// or 256 in the formats whose names end in K, which scale each group of 16 or
// 32 by an integer of its own. The products are in the order in which
// llama.cpp computes them, so that the floats have the same bits.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "device/dtype.h"
#include "model/formats/gguf.h"

namespace aha {
namespace {

static_assert(std::endian::native == std::endian::little,
              "GGUF data is used as it lies in the file");

constexpr int64_t kSmallBlock = 32;
constexpr int64_t kLargeBlock = 256;

template <class T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float LoadHalf(const char* from) { return HalfToFloat(Load<uint16_t>(from)); }

int ByteAt(const char* from, int64_t i) {
  return static_cast<uint8_t>(from[i]);
}

// The low nibbles are the first half of the block, the high nibbles the second.
int NibbleAt(const char* from, int64_t i) {
  const int byte = ByteAt(from, i % (kSmallBlock / 2));
  return i < kSmallBlock / 2 ? byte & 0xF : byte >> 4;
}

void DequantizeQ8_0(const char* block, float* out) {
  const float scale = LoadHalf(block);
  for (int64_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
  }
}

void DequantizeQ4_0(const char* block, float* out) {
  const float scale = LoadHalf(block);
  for (int64_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(NibbleAt(block + 2, i) - 8);
  }
}

void DequantizeQ4_1(const char* block, float* out) {
  const float scale = LoadHalf(block), minimum = LoadHalf(block + 2);
  for (int64_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(NibbleAt(block + 4, i)) + minimum;
  }
}

// Bit i of the word before the nibbles is the fifth bit of number i.
int FiveBits(const char* bits, int64_t i) {
  const int high = static_cast<int>(Load<uint32_t>(bits) >> i & 1);
  return NibbleAt(bits + 4, i) | high << 4;
}

void DequantizeQ5_0(const char* block, float* out) {
  const float scale = LoadHalf(block);
  for (int64_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(FiveBits(block + 2, i) - 16);
  }
}

void DequantizeQ5_1(const char* block, float* out) {
  const float scale = LoadHalf(block), minimum = LoadHalf(block + 2);
  for (int64_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(FiveBits(block + 4, i)) + minimum;
  }
}

// Scale and minimum of group j of the eight, as integers of six bits in 12
// bytes: the first four groups have the low bits of bytes 0-3 and 4-7, whose
// two high bits belong to the other four.
struct GroupScale {
  float scale, minimum;
};
GroupScale GroupScaleAt(const char* packed, int64_t j) {
  const auto group = [](int scale, int minimum) {
    return GroupScale{static_cast<float>(scale), static_cast<float>(minimum)};
  };
  if (j < 4) return group(ByteAt(packed, j) & 63, ByteAt(packed, j + 4) & 63);
  const int low = ByteAt(packed, j + 4);
  return group((low & 0xF) | ByteAt(packed, j - 4) >> 6 << 4,
               low >> 4 | ByteAt(packed, j) >> 6 << 4);
}

// Of Q4_K and Q5_K: number(i) is the integer of number i. Numbers 64 k to
// 64 k + 31 are the low nibbles of 32 bytes, the next 32 the high ones.
template <class F>
void DequantizeGroups(const char* block, F&& number, float* out) {
  const float scales = LoadHalf(block), minimums = LoadHalf(block + 2);
  for (int64_t j = 0; j < kLargeBlock / 32; ++j) {
    const GroupScale group = GroupScaleAt(block + 4, j);
    const float scale = scales * group.scale;
    const float minimum = minimums * group.minimum;
    for (int64_t i = 32 * j; i < 32 * (j + 1); ++i) {
      out[i] = scale * static_cast<float>(number(i)) - minimum;
    }
  }
}

int LargeNibbleAt(const char* from, int64_t i) {
  const int byte = ByteAt(from, i / 64 * 32 + i % 32);
  return i % 64 < 32 ? byte & 0xF : byte >> 4;
}

void DequantizeQ4_K(const char* block, float* out) {
  DequantizeGroups(
      block, [&](int64_t i) { return LargeNibbleAt(block + 16, i); }, out);
}

// Byte i % 32 of the 32 high bytes has the fifth bits of the numbers i % 32 of
// all eight groups.
void DequantizeQ5_K(const char* block, float* out) {
  DequantizeGroups(
      block,
      [&](int64_t i) {
        const int high = ByteAt(block + 16, i % 32) >> (i / 32) & 1;
        return LargeNibbleAt(block + 48, i) | high << 4;
      },
      out);
}

// Each half of 128 numbers has 64 bytes of nibbles and 32 bytes with four pairs
// of high bits; every 16 numbers have a scale of eight bits.
void DequantizeQ6_K(const char* block, float* out) {
  const float scales = LoadHalf(block + 208);
  for (int64_t i = 0; i < kLargeBlock; ++i) {
    const int64_t half = i / 128, quarter = i % 128 / 32, at = i % 32;
    const int byte = ByteAt(block + half * 64, quarter % 2 * 32 + at);
    const int low = quarter < 2 ? byte & 0xF : byte >> 4;
    const int high = ByteAt(block + 128 + half * 32, at) >> (2 * quarter) & 3;
    const int8_t scale = static_cast<int8_t>(block[192 + i / 16]);
    out[i] = scales * static_cast<float>(scale) *
             static_cast<float>((low | high << 4) - 32);
  }
}

void LoadF32(const char* from, float* out) { *out = Load<float>(from); }
void LoadF16(const char* from, float* out) { *out = LoadHalf(from); }
void LoadBf16(const char* from, float* out) {
  *out = ToFloat(Bf16{Load<uint16_t>(from)});
}

struct Format {
  GgufType type;
  const char* name;
  GgufBlock block;
  void (*dequantize)(const char* block, float* out);
};

constexpr Format kFormats[] = {
    {GgufType::kF32, "F32", {1, 4}, LoadF32},
    {GgufType::kF16, "F16", {1, 2}, LoadF16},
    {GgufType::kQ4_0, "Q4_0", {kSmallBlock, 18}, DequantizeQ4_0},
    {GgufType::kQ4_1, "Q4_1", {kSmallBlock, 20}, DequantizeQ4_1},
    {GgufType::kQ5_0, "Q5_0", {kSmallBlock, 22}, DequantizeQ5_0},
    {GgufType::kQ5_1, "Q5_1", {kSmallBlock, 24}, DequantizeQ5_1},
    {GgufType::kQ8_0, "Q8_0", {kSmallBlock, 34}, DequantizeQ8_0},
    {GgufType::kQ4_K, "Q4_K", {kLargeBlock, 144}, DequantizeQ4_K},
    {GgufType::kQ5_K, "Q5_K", {kLargeBlock, 176}, DequantizeQ5_K},
    {GgufType::kQ6_K, "Q6_K", {kLargeBlock, 210}, DequantizeQ6_K},
    {GgufType::kBf16, "BF16", {1, 2}, LoadBf16},
};

const Format* Find(uint32_t type) {
  for (const Format& format : kFormats) {
    if (static_cast<uint32_t>(format.type) == type) return &format;
  }
  return nullptr;
}

}  // namespace

GgufBlock BlockOf(uint32_t type) {
  const Format* format = Find(type);
  return format == nullptr ? GgufBlock{0, 0} : format->block;
}

std::string GgufTypeName(uint32_t type) {
  const Format* format = Find(type);
  return format == nullptr ? absl::StrCat("type ", type) : format->name;
}

std::string GgufTypeNames() {
  std::string names;
  for (const Format& format : kFormats) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", format.name);
  }
  return names;
}

void Dequantize(GgufType type, const char* from, absl::Span<float> out) {
  const Format& format = *Find(static_cast<uint32_t>(type));
  const int64_t count = static_cast<int64_t>(out.size());
  std::array<float, kLargeBlock> last;
  for (int64_t i = 0; i < count; i += format.block.numbers) {
    const int64_t left = count - i;
    if (left >= format.block.numbers) {
      format.dequantize(from, out.data() + i);
    } else {  // A block of which only the first numbers are wanted.
      format.dequantize(from, last.data());
      std::copy_n(last.data(), left, out.data() + i);
    }
    from += format.block.bytes;
  }
}

}  // namespace aha
