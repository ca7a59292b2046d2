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
