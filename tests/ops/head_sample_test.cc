// Sampling of tokens: the distribution, filters and ties.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/head.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

// A head with given logits: hidden is 1 and x is 1.
class GivenLogits {
 public:
  GivenLogits(Device device, std::vector<float> logits)
      : machine_(device),
        logits_(std::move(logits)),
        head_(*PackedHead::Create(machine_.context(),
                                  static_cast<int64_t>(logits_.size()), 1,
                                  DType::kF32)) {
    head_.Pack(machine_.context(), logits_.data());
  }

  std::vector<int32_t> Draw(int64_t count, DrawArgs draw, uint64_t seed) {
    const std::vector<float> x(count, 1.f);
    std::vector<DrawArgs> draws(count, draw);
    for (int64_t i = 0; i < count; ++i) {
      draws[i].key = RandomKey(seed, RandomPurpose::kTest, i);
    }
    std::vector<int32_t> tokens(count);
    std::vector<float> logprobs(count);
    HeadSample(machine_.context(), {x.data(), &head_, count, draws,
                                    tokens.data(), logprobs.data()});
    return tokens;
  }

  // Returns the softmax at `temperature` over the tokens of `kept` (over all if
  // it is empty).
  std::vector<double> Probabilities(double temperature,
                                    const std::vector<int32_t>& kept) const {
    std::vector<double> p(logits_.size());
    double sum = 0;
    for (size_t v = 0; v < p.size(); ++v) {
      if (!kept.empty() && std::find(kept.begin(), kept.end(),
                                     static_cast<int32_t>(v)) == kept.end()) {
        continue;
      }
      p[v] = std::exp(logits_[v] / temperature);
      sum += p[v];
    }
    for (double& x : p) x /= sum;
    return p;
  }
  // Returns the ids in the order of falling logits.
  std::vector<int32_t> Sorted() const {
    std::vector<int32_t> ids(logits_.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
      return logits_[a] > logits_[b];
    });
    return ids;
  }

 private:
  Machine machine_;
  std::vector<float> logits_;
  PackedHead head_;
};

// Returns Pearson's statistic in standard deviations above its mean
// (Wilson-Hilferty). Cells with fewer than 5 expected draws are merged.
double ChiSquareSigmas(const std::vector<int32_t>& tokens,
                       const std::vector<double>& p) {
  std::vector<double> seen(p.size());
  for (const int32_t token : tokens) seen[token] += 1;
  const double n = static_cast<double>(tokens.size());
  double statistic = 0, expected = 0, count = 0;
  int cells = 0;
  for (size_t v = 0; v < p.size(); ++v) {
    if (p[v] == 0 && seen[v] > 0) return INFINITY;
    expected += n * p[v];
    count += seen[v];
    if (expected < 5) continue;
    statistic += (count - expected) * (count - expected) / expected;
    expected = count = 0;
    ++cells;
  }
  const double k = std::max(cells - 1, 1);
  return (std::cbrt(statistic / k) - (1 - 2 / (9 * k))) /
         std::sqrt(2 / (9 * k));
}

constexpr int64_t kDraws = 40000;

class HeadSampleTest : public ::testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, HeadSampleTest, AllDevices());

TEST_P(HeadSampleTest, DrawsFollowTheSoftmaxAtEachTemperature) {
  for (const int64_t vocab : {5, 110, 2500}) {
    GivenLogits head(GetParam(), Normal(vocab, 3, 2));
    for (const float temperature : {1.f, 0.5f, 2.f}) {
      // Several tiles take the reference minutes; TopK and TopP have them.
      if (GetParam() == Device::kReference && vocab > 110) break;
      DrawArgs draw{RandomKey(0, RandomPurpose::kTest), temperature};
      const auto tokens = head.Draw(kDraws, draw, 11);
      EXPECT_LT(ChiSquareSigmas(tokens, head.Probabilities(temperature, {})), 4)
          << vocab << " at " << temperature;
      // The test can fail: it notices a slightly different distribution.
      EXPECT_GT(
          ChiSquareSigmas(tokens, head.Probabilities(temperature * 1.25, {})),
          4)
          << vocab << " at " << temperature;
    }
  }
}

TEST_P(HeadSampleTest, TopKDrawsAmongTheKBest) {
  GivenLogits head(GetParam(), Normal(2500, 3, 2));
  std::vector<int32_t> kept = head.Sorted();
  kept.resize(20);
  DrawArgs draw{RandomKey(0, RandomPurpose::kTest), 1, 1, 20};
  const auto tokens = head.Draw(kDraws / 8, draw, 12);
  EXPECT_LT(ChiSquareSigmas(tokens, head.Probabilities(1, kept)), 4);
}

TEST_P(HeadSampleTest, TopPDrawsAmongTheFewestThatReachIt) {
  GivenLogits head(GetParam(), Normal(2500, 3, 2));
  const auto p = head.Probabilities(1, {});
  std::vector<int32_t> kept = head.Sorted();
  double mass = 0;
  size_t n = 0;
  while (mass < 0.7) mass += p[kept[n++]];
  // The nucleus extends beyond the first step of the partial sort.
  ASSERT_GT(n, 64u);
  kept.resize(n);
  DrawArgs draw{RandomKey(0, RandomPurpose::kTest), 1, 0.7f};
  const auto tokens = head.Draw(kDraws / 8, draw, 13);
  EXPECT_LT(ChiSquareSigmas(tokens, head.Probabilities(1, kept)), 4);
}

TEST_P(HeadSampleTest, AFilterThatKeepsEverythingChangesNoToken) {
  GivenLogits head(GetParam(), Normal(2500, 3, 2));
  DrawArgs draw{RandomKey(0, RandomPurpose::kTest)};
  const auto want = head.Draw(1000, draw, 14);
  draw.top_k = 2500;
  EXPECT_EQ(head.Draw(1000, draw, 14), want);
}

TEST_P(HeadSampleTest, EqualLogitsGoToTheLowestIds) {
  std::vector<float> logits(2100, 0.f);
  for (const int v : {40, 41, 1030, 2099}) logits[v] = 5;
  GivenLogits head(GetParam(), logits);
  DrawArgs greedy{RandomKey(0, RandomPurpose::kTest), 0};
  for (const int32_t token : head.Draw(10, greedy, 15)) EXPECT_EQ(token, 40);
  DrawArgs two{RandomKey(0, RandomPurpose::kTest), 1, 1, 2};
  std::vector<int64_t> seen(2);
  for (const int32_t token : head.Draw(2000, two, 16)) {
    ASSERT_TRUE(token == 40 || token == 41) << token;
    ++seen[token - 40];
  }
  EXPECT_NEAR(static_cast<double>(seen[0]), 1000, 150);
}

TEST_P(HeadSampleTest, EachKeyDrawsItsOwnToken) {
  GivenLogits head(GetParam(), std::vector<float>(110, 0.f));
  DrawArgs draw{RandomKey(0, RandomPurpose::kTest)};
  EXPECT_EQ(head.Draw(100, draw, 17), head.Draw(100, draw, 17));
  EXPECT_NE(head.Draw(100, draw, 17), head.Draw(100, draw, 18));
}

}  // namespace
}  // namespace aha::ops
