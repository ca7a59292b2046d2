// Compressed data comes out as it went in, and what is damaged, cut off or
// without end is refused.
#include "data/byte_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "base/rng.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kLimit = 10 << 20;

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  EXPECT_EQ(
      ::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* const context = ::ZSTD_createCCtx();
  // As the program zstd does; without it, some damage would go unnoticed.
  ::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(::ZSTD_compress2(context, out.data(), out.size(), text.data(),
                              text.size()));
  ::ZSTD_freeCCtx(context);
  return out;
}

// All that comes out, or the error.
std::string Drain(absl::StatusOr<std::unique_ptr<ByteStream>> stream) {
  if (!stream.ok()) return std::string(stream.status().message());
  std::string out, buffer(1000, '\0');
  while (true) {
    const auto size = (*stream)->Read(absl::MakeSpan(&buffer[0], 1000));
    if (!size.ok()) return std::string(size.status().message());
    if (*size == 0) return out;
    out.append(buffer, 0, *size);
  }
}

std::string Drain(const std::string& bytes, uint64_t limit = kLimit) {
  return Drain(ByteStreamOf(bytes, limit));
}

std::string LongText() {
  std::string text;
  const RandomKey key(1, RandomPurpose::kTest);
  for (uint32_t i = 0; i < 300'000; ++i) {
    text += static_cast<char>('a' + key.Below(i, 26));
  }
  return text;
}

TEST(ByteStreamTest, PlainAndCompressedBytesComeOutAlike) {
  const std::string text = LongText();
  for (const std::string& packed : {text, Gzip(text), Zstd(text)}) {
    EXPECT_TRUE(Drain(packed) == text);
  }
  EXPECT_EQ(Drain(""), "");
  EXPECT_EQ(Drain(Gzip("")), "");
  EXPECT_EQ(Drain(Zstd("")), "");
}

TEST(ByteStreamTest, SeveralPartsInOneFileAreReadOneBehindAnother) {
  EXPECT_EQ(Drain(Gzip("one") + Gzip("") + Gzip("two")), "onetwo");
  EXPECT_EQ(Drain(Zstd("one") + Zstd("") + Zstd("two")), "onetwo");
}

TEST(ByteStreamTest, WhatIsCutOffOrDamagedIsRefused) {
  const std::string text = LongText();
  for (std::string packed : {Gzip(text), Zstd(text)}) {
    EXPECT_THAT(Drain(packed.substr(0, packed.size() / 2)),
                HasSubstr("it was cut off"));
    EXPECT_THAT(Drain(packed.substr(0, packed.size() - 1)),
                HasSubstr("it was cut off"));
    packed[100] = static_cast<char>(packed[100] ^ 0x55);
    packed[packed.size() / 2] =
        static_cast<char>(packed[packed.size() / 2] ^ 0x55);
    EXPECT_TRUE(absl::StrContains(Drain(packed), "is damaged"));
  }
  EXPECT_THAT(Drain(Gzip("one") + "rubbish"), HasSubstr("is damaged"));
}

TEST(ByteStreamTest, ABombIsStoppedAtTheLimit) {
  const std::string zeros(50 << 20, '0');
  for (const std::string& bomb : {Gzip(zeros), Zstd(zeros)}) {
    EXPECT_LT(bomb.size(), 60'000u);
    EXPECT_THAT(Drain(bomb), HasSubstr("must have at most 10485760 bytes"));
  }
}

TEST(ByteStreamTest, FilesAreReadByTheirContent) {
  const TempDir scratch;
  const std::string path = scratch.path() + "/data.bin";
  std::ofstream(path, std::ios::binary) << Zstd("from a file");
  EXPECT_EQ(Drain(OpenByteStream(path, kLimit)), "from a file");
  EXPECT_EQ(OpenByteStream(path + ".none", kLimit).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(OpenByteStream(scratch.path(), kLimit).status().ToString(),
              HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace aha
