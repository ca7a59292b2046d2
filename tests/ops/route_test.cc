// Tests the choice of experts and its gradient, and the order of rows by
// expert.
#include "ops/route.h"

#include <cmath>
#include <limits>
#include <set>
#include <tuple>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

struct RouteShape {
  int64_t rows, experts, active;
};

class RouteTest : public ::testing::TestWithParam<
                      std::tuple<RouteShape, RouteWeights, Device>> {
 protected:
  struct Routed {
    std::vector<int32_t> chosen;
    std::vector<float> weights;
  };

  Routed Run(const Context& context, const std::vector<float>& logits) const {
    const int64_t rows = static_cast<int64_t>(logits.size()) / experts_;
    Routed out{std::vector<int32_t>(static_cast<size_t>(rows * active_)),
               std::vector<float>(static_cast<size_t>(rows * active_))};
    Route(context, {.logits = logits.data(),
                    .chosen = out.chosen.data(),
                    .weights = out.weights.data(),
                    .rows = rows,
                    .experts = experts_,
                    .active = active_,
                    .rule = rule_});
    return out;
  }

  std::vector<float> Gradient(const Context& context,
                              const std::vector<float>& logits,
                              const std::vector<float>& dweights,
                              DType dtype) const {
    const Routed routed = Run(context, logits);
    Tensor dlogits(static_cast<int64_t>(logits.size()), dtype);
    RouteGrad(context, {.logits = logits.data(),
                        .chosen = routed.chosen.data(),
                        .weights = routed.weights.data(),
                        .dweights = dweights.data(),
                        .dlogits = dlogits.data(),
                        .rows = rows_,
                        .experts = experts_,
                        .active = active_,
                        .rule = rule_,
                        .dtype = dtype});
    return dlogits.Floats();
  }

  const int64_t rows_ = std::get<0>(GetParam()).rows;
  const int64_t experts_ = std::get<0>(GetParam()).experts;
  const int64_t active_ = std::get<0>(GetParam()).active;
  const RouteWeights rule_ = std::get<1>(GetParam());
  Machine machine_{std::get<2>(GetParam())};
  const Context context_ = machine_.context();
};

INSTANTIATE_TEST_SUITE_P(
    Shapes, RouteTest,
    ::testing::Combine(
        ::testing::Values(RouteShape{1, 1, 1}, RouteShape{7, 5, 2},
                          RouteShape{70, 8, 2}, RouteShape{33, 128, 8},
                          RouteShape{9, 6, 6}),
        ::testing::Values(RouteWeights::kOfAll, RouteWeights::kOfChosen),
        AllDevices()));

TEST_P(RouteTest, ChoosesTheLargestLogitsWithTheirSoftmax) {
  const auto logits = Normal(rows_ * experts_, 1, 3);
  const Routed got = Run(context_, logits);
  const Routed want = Run(ReferenceContext{}, logits);
  EXPECT_EQ(got.chosen, want.chosen);
  ExpectNear(got.weights, want.weights, ToleranceOf(DType::kF32).row, 1e-3);
  for (int64_t r = 0; r < rows_; ++r) {
    double sum = 0;
    for (int64_t k = 0; k < active_; ++k) {
      const size_t i = static_cast<size_t>(r * active_ + k);
      sum += got.weights[i];
      if (k == 0) continue;
      EXPECT_GE(got.weights[i - 1], got.weights[i]);
      EXPECT_GE(logits[r * experts_ + got.chosen[i - 1]],
                logits[r * experts_ + got.chosen[i]]);
    }
    if (rule_ == RouteWeights::kOfChosen || active_ == experts_) {
      EXPECT_NEAR(sum, 1, 1e-6);
    } else {
      EXPECT_LT(sum, 1);
    }
  }
}

TEST_P(RouteTest, OfEqualLogitsTheLowerExpertIsFirst) {
  std::vector<float> logits(static_cast<size_t>(rows_ * experts_));
  // Three values only, so most are equal to others.
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(i * 7 % 3);
  }
  const Routed got = Run(context_, logits);
  for (int64_t r = 0; r < rows_; ++r) {
    const float* row = &logits[static_cast<size_t>(r * experts_)];
    const int32_t* chosen = &got.chosen[static_cast<size_t>(r * active_)];
    for (int64_t k = 1; k < active_; ++k) {
      EXPECT_TRUE(
          row[chosen[k - 1]] > row[chosen[k]] ||
          (row[chosen[k - 1]] == row[chosen[k]] && chosen[k - 1] < chosen[k]));
    }
    // No expert that was left out comes before one that was chosen.
    const std::set<int32_t> in(chosen, chosen + active_);
    for (int32_t e = 0; e < experts_; ++e) {
      if (in.contains(e)) continue;
      const int32_t last = chosen[active_ - 1];
      EXPECT_TRUE(row[e] < row[last] || (row[e] == row[last] && e > last));
    }
  }
}

// The weights may be NaN then, but no memory outside is read.
TEST_P(RouteTest, TheChoiceIsValidForAnyLogits) {
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(), 1.0f};
  std::vector<float> logits(static_cast<size_t>(rows_ * experts_));
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = odd[i * 5 / 3 % 4];
  const Routed got = Run(context_, logits);
  for (int64_t r = 0; r < rows_; ++r) {
    std::set<int32_t> chosen;
    for (int64_t k = 0; k < active_; ++k) {
      const int32_t e = got.chosen[static_cast<size_t>(r * active_ + k)];
      EXPECT_TRUE(0 <= e && e < experts_);
      EXPECT_TRUE(chosen.insert(e).second);
    }
  }
}

TEST_P(RouteTest, ARowDependsOnNoOtherRowAndNotOnThreads) {
  const auto logits = Normal(rows_ * experts_, 2, 2);
  const Routed want = Run(context_, logits);
  for (const Context& context : machine_.contexts()) {
    for (int64_t r = 0; r < rows_; ++r) {
      const auto begin = logits.begin() + r * experts_;
      const Routed alone =
          Run(context, std::vector<float>(begin, begin + experts_));
      for (int64_t k = 0; k < active_; ++k) {
        const size_t i = static_cast<size_t>(r * active_ + k);
        EXPECT_EQ(alone.chosen[static_cast<size_t>(k)], want.chosen[i]);
      }
      EXPECT_EQ(DifferingBits(alone.weights.data(),
                              want.weights.data() + r * active_, active_),
                0);
    }
  }
}

TEST_P(RouteTest, GradientIsTheReferences) {
  const auto logits = Normal(rows_ * experts_, 3, 2);
  const auto dweights = Normal(rows_ * active_, 4);
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    ExpectNear(Gradient(context_, logits, dweights, dtype),
               Gradient(ReferenceContext{}, logits, dweights, dtype),
               ToleranceOf(dtype).gradient, 1);
  }
}

// The choice must not change within the step, or there is no derivative.
TEST_P(RouteTest, GradientIsThatOfFiniteDifferences) {
  auto logits = Normal(rows_ * experts_, 5, 2);
  const auto dweights = Normal(rows_ * active_, 6);
  const auto got = Gradient(context_, logits, dweights, DType::kF32);
  constexpr float kStep = 1.0f / 128;
  int64_t compared = 0;
  for (int64_t i = 0; i < rows_ * experts_; i += 3) {
    const int64_t r = i / experts_;
    const float saved = logits[static_cast<size_t>(i)];
    const auto loss = [&](float step, std::vector<int32_t>* chosen) {
      logits[static_cast<size_t>(i)] = saved + step;
      const auto begin = logits.begin() + r * experts_;
      const Routed routed =
          Run(ReferenceContext{}, std::vector<float>(begin, begin + experts_));
      *chosen = routed.chosen;
      double sum = 0;
      for (int64_t k = 0; k < active_; ++k) {
        sum += double{routed.weights[static_cast<size_t>(k)]} *
               dweights[static_cast<size_t>(r * active_ + k)];
      }
      return sum;
    };
    std::vector<int32_t> up, down;
    const double difference = loss(kStep, &up) - loss(-kStep, &down);
    logits[static_cast<size_t>(i)] = saved;
    if (up != down) continue;
    ++compared;
    EXPECT_NEAR(got[static_cast<size_t>(i)], difference / (2 * kStep), 2e-4);
  }
  EXPECT_GT(compared, 0);
}

TEST_P(RouteTest, GroupsPairsByExpertAndThenByRow) {
  const Routed routed = Run(context_, Normal(rows_ * experts_, 7, 1));
  const size_t pairs = routed.chosen.size();
  std::vector<int32_t> slots(pairs, -1), pair_of(pairs, -1);
  std::vector<int64_t> begins(static_cast<size_t>(experts_) + 1, -1);
  GroupByExpert(context_, {.chosen = routed.chosen.data(),
                           .slots = slots.data(),
                           .pairs = pair_of.data(),
                           .begins = begins.data(),
                           .rows = rows_,
                           .experts = experts_,
                           .active = active_});
  EXPECT_EQ(begins.front(), 0);
  EXPECT_EQ(begins.back(), static_cast<int64_t>(pairs));
  for (int64_t e = 0; e < experts_; ++e) {
    for (int64_t s = begins[e]; s < begins[e + 1]; ++s) {
      EXPECT_EQ(routed.chosen[pair_of[s]], e);
      EXPECT_EQ(slots[pair_of[s]], s);
      if (s > begins[e]) {
        EXPECT_LT(pair_of[s - 1], pair_of[s]);
      }
    }
  }
}

}  // namespace
}  // namespace aha::ops
