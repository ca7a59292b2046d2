#include "rl/checksum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace aha {
namespace {

TEST(ChecksumTest, EveryFieldOfAGroupMatters) {
  const std::vector<int32_t> tokens = {1, 2, 3}, other_tokens = {1, 2, 4};
  const std::vector<float> logprobs = {-1, -2, 0.0f};
  const std::vector<float> signed_zero = {-1, -2, -0.0f};
  const GroupRecord key{1, 2, 3};
  const TrajectoryRecord base{tokens, logprobs, 1, 1};
  std::vector<Hash128> digests = {
      GroupDigest(key, {base}),
      GroupDigest({9, 2, 3}, {base}),
      GroupDigest({1, 9, 3}, {base}),
      GroupDigest({1, 2, 9}, {base}),
      GroupDigest(key, {base, base}),
      GroupDigest(key, {}),
      GroupDigest(key, {{other_tokens, logprobs, 1, 1}}),
      GroupDigest(key, {{tokens, signed_zero, 1, 1}}),
      GroupDigest(key, {{tokens, logprobs, 0, 1}}),
      GroupDigest(key, {{tokens, logprobs, 1, 2}}),
  };
  std::set<std::string> distinct;
  for (const Hash128& digest : digests) distinct.insert(digest.Hex());
  EXPECT_EQ(distinct.size(), digests.size());
  EXPECT_EQ(GroupDigest(key, {base}), digests[0]);
}

TEST(ChecksumTest, TheChainDependsOnEverythingAndOnOrder) {
  const Hash128 a = HashBytes("a", 1), b = HashBytes("b", 1);
  const Hash128 base = NextChain({}, 1, 2, {a, b}, a);
  std::set<std::string> distinct = {
      base.Hex(),
      NextChain(a, 1, 2, {a, b}, a).Hex(),
      NextChain({}, 2, 2, {a, b}, a).Hex(),
      NextChain({}, 1, 3, {a, b}, a).Hex(),
      NextChain({}, 1, 2, {b, a}, a).Hex(),
      NextChain({}, 1, 2, {a}, a).Hex(),
      NextChain({}, 1, 2, {a, b}, b).Hex(),
  };
  EXPECT_EQ(distinct.size(), 7u);
  EXPECT_EQ(NextChain({}, 1, 2, {a, b}, a), base);
}

// This is pinned: a change here changes the checksum of every job, and the
// change log must say so.
TEST(ChecksumTest, IsStable) {
  const std::vector<int32_t> tokens = {5, 6};
  const std::vector<float> logprobs = {-0.5f, -1.25f};
  const Hash128 group = GroupDigest({1, 2, 3}, {{tokens, logprobs, 1.1, 1}});
  EXPECT_EQ(group.Hex(), "eafb17eab506bb9fb571916b5900094c");
  EXPECT_EQ(NextChain({}, 1, 2, {group}, group).Hex(),
            "02d2e347d2f95265b2d579bf9cd45459");
}

}  // namespace
}  // namespace aha
