#include "base/rng.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::ElementsAre;

TEST(PhiloxTest, GivesThePublishedVectors) {
  // From Random123's kat_vectors: philox4x32 with 10 rounds.
  EXPECT_THAT(Philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                     {0xffffffff, 0xffffffff}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                     {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

// The results of every job depend on these numbers.  They were computed by a
// program of its own, in Python, from the definition of a key.
TEST(RandomKeyTest, TheStreamsNeverChange) {
  EXPECT_THAT(RandomKey(0, RandomPurpose::kSampling).Block(0),
              ElementsAre(0x727744cf, 0x66dc350c, 0x3ee710fa, 0x46529030));
  const RandomKey token(42, RandomPurpose::kSampling, 7, 3, 1);
  EXPECT_THAT(token.Block(0),
              ElementsAre(0x67caa737, 0x010ada0a, 0xe7a8cad3, 0xce77ad02));
  EXPECT_THAT(token.Block(5),
              ElementsAre(0x98a93a50, 0x4a6602e0, 0x4f09fd5f, 0xc8142d62));
  // Each number has more than 32 bits.
  const RandomKey wide(~uint64_t{0}, RandomPurpose::kTest, uint64_t{1} << 63, 1,
                       uint64_t{1} << 32, 5);
  EXPECT_THAT(wide.Block((uint64_t{1} << 40) + 1),
              ElementsAre(0x8839b4e0, 0x6a773b1d, 0x57a640c0, 0xc3a9409c));
}

TEST(RandomKeyTest, NumbersAreTheWordsOfTheBlocksInOrder) {
  const RandomKey key(42, RandomPurpose::kCorpus, 9);
  const uint32_t first[] = {0x2b0dfed1, 0xf3cf8044, 0x39be8a57,
                            0x5ae1f520, 0xff773758, 0xfc1eb1ea};
  for (uint64_t i = 0; i < 6; ++i) EXPECT_EQ(key.Bits(i), first[i]) << i;
  EXPECT_EQ(key.Bits(uint64_t{1} << 34), 0x8f127224u);
  EXPECT_EQ(key.Bits((uint64_t{1} << 34) + 1), 0xf8bf141au);
  EXPECT_EQ(key.Uniform(0), 0.16818231344223022f);
}

TEST(RandomKeyTest, AnIndexThatIsNotGivenIsZero) {
  EXPECT_EQ(RandomKey(5, RandomPurpose::kTest).Block(3),
            RandomKey(5, RandomPurpose::kTest, 0, 0, 0, 0).Block(3));
}

TEST(RandomKeyTest, TheOrderOfTheIndicesMatters) {
  EXPECT_NE(RandomKey(1, RandomPurpose::kTest, 2, 3).Block(0),
            RandomKey(1, RandomPurpose::kTest, 3, 2).Block(0));
  EXPECT_NE(RandomKey(1, RandomPurpose::kTest, 2).Block(0),
            RandomKey(2, RandomPurpose::kTest, 1).Block(0));
}

TEST(RandomKeyTest, BelowStaysBelow) {
  const RandomKey key(3, RandomPurpose::kTest);
  for (const uint32_t n : {1u, 2u, 3u, 1000u, 0x80000000u, 0xffffffffu}) {
    for (uint64_t i = 0; i < 1000; ++i) ASSERT_LT(key.Below(i, n), n);
  }
}

// The rule for a uniform number on the ends of what Bits can give.
TEST(RandomKeyTest, TheExtremeUniformNumbersHaveFiniteLogarithms) {
  const auto uniform = [](uint32_t bits) {
    return (static_cast<float>(bits >> 9) + 0.5f) * 0x1p-23f;
  };
  EXPECT_GT(uniform(0), 0.0f);
  EXPECT_LT(uniform(~uint32_t{0}), 1.0f);
  const RandomKey key(42, RandomPurpose::kCorpus, 9);
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(key.Uniform(i), uniform(key.Bits(i)));
  }
}

TEST(RandomKeyTest, EveryIndexChangesTheStream) {
  const RandomKey base(1, RandomPurpose::kTest, 2, 3, 4, 5);
  const RandomKey others[] = {RandomKey(9, RandomPurpose::kTest, 2, 3, 4, 5),
                              RandomKey(1, RandomPurpose::kCorpus, 2, 3, 4, 5),
                              RandomKey(1, RandomPurpose::kTest, 9, 3, 4, 5),
                              RandomKey(1, RandomPurpose::kTest, 2, 9, 4, 5),
                              RandomKey(1, RandomPurpose::kTest, 2, 3, 9, 5),
                              RandomKey(1, RandomPurpose::kTest, 2, 3, 4, 9)};
  for (const RandomKey& other : others) {
    EXPECT_NE(base.Block(0), other.Block(0));
  }
}

TEST(RandomKeyTest, UniformNumbersStayInsideTheOpenInterval) {
  const RandomKey key(7, RandomPurpose::kTest);
  double sum = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const float u = key.Uniform(i);
    ASSERT_GT(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    sum += u;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);  // Five standard errors.
}

TEST(RandomKeyTest, EveryPartOfTheKeyMatters) {
  const auto draw = [](uint64_t seed, uint64_t a, uint64_t b, uint64_t c,
                       uint64_t d) {
    return RandomKey(seed, RandomPurpose::kTest, a, b, c, d).Bits(0);
  };
  const std::set<uint32_t> draws = {
      draw(1, 2, 3, 4, 5),
      draw(9, 2, 3, 4, 5),
      draw(1, 9, 3, 4, 5),
      draw(1, 2, 9, 4, 5),
      draw(1, 2, 3, 9, 5),
      draw(1, 2, 3, 4, 9),
      RandomKey(1, RandomPurpose::kSampling, 2, 3, 4, 5).Bits(0)};
  EXPECT_EQ(draws.size(), 7u);
}

TEST(RandomKeyTest, BelowReachesEveryValue) {
  const RandomKey key(9, RandomPurpose::kTest);
  int counts[6] = {};
  for (int i = 0; i < 6000; ++i) ++counts[key.Below(i, 6)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace aha
