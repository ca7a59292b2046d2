// Tests what moves rows between the order of a batch and that of the experts,
// and products of several matrices at once.
#include "ops/expert_rows.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <tuple>
#include <vector>

#include "ops/matmul.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

class ExpertRowsTest
    : public ::testing::TestWithParam<std::tuple<int64_t, DType, Device>> {
 protected:
  static constexpr int64_t kRows = 37, kActive = 3;
  static constexpr int64_t kPairs = kRows * kActive;

  // Slots in an order of no meaning.
  ExpertRowsTest() : slots_(kPairs), pairs_(kPairs) {
    for (int64_t i = 0; i < kPairs; ++i) {
      slots_[static_cast<size_t>(i)] = static_cast<int32_t>(i * 50 % kPairs);
      pairs_[static_cast<size_t>(slots_[static_cast<size_t>(i)])] =
          static_cast<int32_t>(i);
    }
  }

  const int64_t cols_ = std::get<0>(GetParam());
  const DType dtype_ = std::get<1>(GetParam());
  Machine machine_{std::get<2>(GetParam())};
  std::vector<int32_t> slots_, pairs_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, ExpertRowsTest,
                         ::testing::Combine(::testing::Values(1, 16, 131),
                                            ::testing::Values(DType::kF32,
                                                              DType::kBf16),
                                            AllDevices()));

TEST_P(ExpertRowsTest, GathersTheRowOfEachPair) {
  const Tensor from(Normal(kRows * cols_, 1), dtype_);
  Tensor to(kPairs * cols_, dtype_);
  GatherRows(machine_.context(),
             {.from = from.data(),
              .index = pairs_.data(),
              .divisor = kActive,
              .to = to.data(),
              .rows = kPairs,
              .row_bytes = cols_ * static_cast<int64_t>(SizeOf(dtype_))});
  for (int64_t s = 0; s < kPairs; ++s) {
    const int64_t row = pairs_[static_cast<size_t>(s)] / kActive;
    for (int64_t c = 0; c < cols_; ++c) {
      EXPECT_EQ(to[s * cols_ + c], from[row * cols_ + c]);
    }
  }
}

TEST_P(ExpertRowsTest, GathersRowsTimesTheWeightOfTheirPair) {
  const auto x = Normal(kRows * cols_, 1);
  const auto weights = Normal(kPairs, 2);
  const auto run = [&](const Context& context, const float* times) {
    Tensor to(kPairs * cols_, dtype_);
    GatherWeighted(context, {.x = x.data(),
                             .pairs = pairs_.data(),
                             .weights = times,
                             .to = to.data(),
                             .slots = kPairs,
                             .active = kActive,
                             .cols = cols_,
                             .dtype = dtype_});
    return to.Floats();
  };
  for (const float* times :
       {weights.data(), static_cast<const float*>(nullptr)}) {
    const auto want = run(ReferenceContext{}, times);
    for (const Context& context : machine_.contexts()) {
      EXPECT_EQ(run(context, times), want);
    }
  }
}

TEST_P(ExpertRowsTest, AddsTheExpertsOfARowByRank) {
  const auto x = Normal(kPairs * cols_, 1);
  const auto weights = Normal(kPairs, 2);
  const auto run = [&](const Context& context, const float* times) {
    auto y = Normal(kRows * cols_, 3);
    CombineRows(context, {.x = x.data(),
                          .slots = slots_.data(),
                          .weights = times,
                          .y = y.data(),
                          .rows = kRows,
                          .active = kActive,
                          .cols = cols_});
    return y;
  };
  for (const float* times :
       {weights.data(), static_cast<const float*>(nullptr)}) {
    const auto want = run(ReferenceContext{}, times);
    const auto first = run(machine_.context(), times);
    ExpectNear(first, want, ToleranceOf(DType::kF32).row, 3);
    for (const Context& context : machine_.contexts()) {
      const auto got = run(context, times);
      EXPECT_EQ(DifferingBits(got.data(), first.data(), kRows * cols_), 0);
    }
  }
}

TEST_P(ExpertRowsTest, TheGradientOfAWeightIsAProductOfRows) {
  const Tensor x(Normal(kPairs * cols_, 1), dtype_);
  const auto weights = Normal(kPairs, 2);
  struct Gradients {
    std::vector<float> dy, dweights;
  };
  const auto run = [&](const Context& context) {
    Gradients out{Normal(kPairs * cols_, 3), std::vector<float>(kPairs, 7.f)};
    WeightGrad(context, {.x = x.data(),
                         .pairs = pairs_.data(),
                         .weights = weights.data(),
                         .dy = out.dy.data(),
                         .dweights = out.dweights.data(),
                         .slots = kPairs,
                         .cols = cols_,
                         .dtype = dtype_});
    return out;
  };
  const Gradients want = run(ReferenceContext{}),
                  first = run(machine_.context());
  ExpectNear(first.dweights, want.dweights, ToleranceOf(DType::kF32).gradient,
             10);
  EXPECT_EQ(first.dy, want.dy);
  for (const Context& context : machine_.contexts()) {
    const Gradients got = run(context);
    EXPECT_EQ(DifferingBits(got.dweights.data(), first.dweights.data(), kPairs),
              0);
  }
}

// Of few and of many rows, so that both ways of sharing the work are taken.
TEST_P(ExpertRowsTest, ProductsAtOnceHaveTheBitsOfEach) {
  const int64_t k = cols_, n = 3 * cols_ + 1;
  const std::vector<int64_t> counts = {1, 0, 200, 3, 70};
  std::vector<PackedMatrix> matrices;
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> want, got;
  for (size_t i = 0; i < counts.size(); ++i) {
    const Tensor w(Normal(n * k, 20 + i), dtype_);
    matrices.push_back(*PackedMatrix::Create(machine_.context(), k, n, dtype_));
    matrices.back().Pack(machine_.context(), w.data(),
                         PackedMatrix::Source::kTransposed);
    inputs.emplace_back(Normal(counts[i] * k, 30 + i), dtype_);
    want.emplace_back(static_cast<size_t>(counts[i] * n));
    Matmul(machine_.context(), {.x = inputs[i].data(),
                                .b = &matrices[i],
                                .y = want[i].data(),
                                .m = counts[i]});
  }
  for (const Context& context : machine_.contexts()) {
    got.clear();
    std::vector<MatmulArgs> products;
    for (size_t i = 0; i < counts.size(); ++i) {
      got.emplace_back(want[i].size());
      products.push_back({.x = inputs[i].data(),
                          .b = &matrices[i],
                          .y = got.back().data(),
                          .m = counts[i]});
    }
    MatmulAll(context, products);
    for (size_t i = 0; i < counts.size(); ++i) {
      EXPECT_EQ(DifferingBits(got[i].data(), want[i].data(), counts[i] * n), 0);
    }
  }
}

}  // namespace
}  // namespace aha::ops
