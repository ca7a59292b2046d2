#include "base/hash.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

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
  EXPECT_FALSE(Hash128::FromHex("abc").ok());
  EXPECT_FALSE(Hash128::FromHex(std::string(32, 'g')).ok());
  EXPECT_FALSE(Hash128::FromBytes("short").ok());
}

}  // namespace
}  // namespace aha
