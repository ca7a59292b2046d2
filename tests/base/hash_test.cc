#include "base/hash.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(HashTest, FeedingPiecesEqualsFeedingTheWhole) {
  const std::string text = "one job, one checksum";
  Hasher hasher;
  hasher.Raw(text.data(), 7);
  hasher.Raw(text.data() + 7, text.size() - 7);
  EXPECT_EQ(hasher.Finish(), HashBytes(text.data(), text.size()));
}

TEST(HashTest, KnowsTheReferenceValueOfTheEmptyInput) {
  // XXH3_128bits of nothing, from the xxHash test vectors.
  EXPECT_EQ(HashBytes("", 0).Hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(HashTest, KnowsPublishedValues) {
  EXPECT_EQ(HashBytes("a", 1).Hex(), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(HashBytes("abc", 3).Hex(), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(Hash64("", 0), 0x2d06800538d394c2u);
  EXPECT_EQ(Hash64("abc", 3), 0x78af5f94892f3950u);
}

TEST(HashTest, HexIsTheBytesInTheirOrder) {
  Hash128 hash;
  for (size_t i = 0; i < hash.bytes.size(); ++i) {
    hash.bytes[i] = static_cast<uint8_t>(17 * i);
  }
  EXPECT_EQ(hash.Hex(), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(hash.ToBytes().size(), 16u);
  EXPECT_EQ(hash.ToBytes()[1], '\x11');
  EXPECT_EQ(*Hash128::FromHex("00112233445566778899AABBCCDDEEFF"), hash);
}

TEST(HasherTest, IntegersAreLittleEndianOnEveryMachine) {
  Hasher hasher;
  hasher.U64(0x0102030405060708);
  EXPECT_EQ(hasher.Finish(), HashBytes("\x08\x07\x06\x05\x04\x03\x02\x01", 8));
}

TEST(HasherTest, AStringIsItsLengthAndItsBytes) {
  const std::string text("a\0b", 3);
  Hasher one, other;
  one.String(text);
  other.U64(3);
  other.Raw(text.data(), 3);
  EXPECT_EQ(one.Finish(), other.Finish());
}

TEST(HasherTest, AHashIsFedAsItsBytes) {
  const Hash128 hash = HashBytes("x", 1);
  Hasher one, other;
  one.Hash(hash);
  other.Raw(hash.ToBytes().data(), 16);
  EXPECT_EQ(one.Finish(), other.Finish());
}

// A chain of checksums takes its value after every step.
TEST(HasherTest, FinishMayBeAskedInBetween) {
  Hasher hasher;
  EXPECT_EQ(hasher.Finish(), HashBytes("", 0));
  hasher.Raw("one ", 4);
  EXPECT_EQ(hasher.Finish(), HashBytes("one ", 4));
  EXPECT_EQ(hasher.Finish(), HashBytes("one ", 4));
  hasher.Raw("job", 3);
  EXPECT_EQ(hasher.Finish(), HashBytes("one job", 7));
  hasher.Raw(nullptr, 0);
  EXPECT_EQ(hasher.Finish(), HashBytes("one job", 7));
}

// The library takes other paths for inputs of other lengths.
TEST(HasherTest, PiecesOfAnySizeGiveTheHashOfTheWhole) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>(i * 31 + i / 7);
  for (const size_t size : {1, 16, 17, 128, 129, 240, 241, 1024, 3000}) {
    const Hash128 whole = HashBytes(text.data(), size);
    for (const size_t piece : {1, 3, 64, 255, 256, 257, 1000}) {
      Hasher hasher;
      for (size_t at = 0; at < size; at += piece) {
        hasher.Raw(text.data() + at, std::min(piece, size - at));
      }
      ASSERT_EQ(hasher.Finish(), whole) << size << " by " << piece;
    }
  }
}

TEST(HashTest, OneBitAnywhereMakesAnotherHash) {
  std::string text(300, 'x');
  const Hash128 whole = HashBytes(text.data(), text.size());
  for (char& byte : text) {
    byte ^= 1;
    EXPECT_NE(HashBytes(text.data(), text.size()), whole);
    byte ^= 1;
  }
}

TEST(HashTest, StringsAreFramedByTheirLength) {
  Hasher one;
  one.String("ab");
  one.String("c");
  Hasher other;
  other.String("a");
  other.String("bc");
  EXPECT_NE(one.Finish(), other.Finish());
}

TEST(HashTest, HexAndBytesRoundTrip) {
  const Hash128 hash = HashBytes("x", 1);
  EXPECT_EQ(*Hash128::FromHex(hash.Hex()), hash);
  EXPECT_EQ(*Hash128::FromBytes(hash.ToBytes()), hash);
}

TEST(HashTest, RefusesWhatIsNotAChecksum) {
  const auto refusal = [](const absl::StatusOr<Hash128>& hash) {
    EXPECT_TRUE(absl::IsInvalidArgument(hash.status())) << hash.status();
    return std::string(hash.status().message());
  };
  for (const size_t size : {0, 3, 31, 33, 64}) {
    EXPECT_THAT(refusal(Hash128::FromHex(std::string(size, 'a'))),
                HasSubstr(absl::StrCat("got ", size)));
  }
  EXPECT_THAT(refusal(Hash128::FromHex(std::string(32, 'g'))),
              HasSubstr("hexadecimal"));
  for (const size_t size : {0, 15, 17, 32}) {
    EXPECT_THAT(refusal(Hash128::FromBytes(std::string(size, 'a'))),
                HasSubstr(absl::StrCat("got ", size)));
  }
  // What comes from outside neither floods a log nor moves its cursor.
  const std::string hostile =
      refusal(Hash128::FromHex("\x1b[2J\xFF" + std::string(27, '0')));
  EXPECT_EQ(hostile.find('\x1b'), std::string::npos) << hostile;
  EXPECT_EQ(hostile.find('\xFF'), std::string::npos) << hostile;
  EXPECT_LT(refusal(Hash128::FromHex(std::string(1 << 20, '!'))).size(), 200u);
}

}  // namespace
}  // namespace aha
