#include "ops/adamw.h"

#include <cmath>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

constexpr double kUnit = 0x1p-40;

struct State {
  explicit State(int64_t count, DType dtype)
      : master(Normal(count, 1)),
        m(Normal(count, 2, 0.1f)),
        v(Normal(count, 3)),
        weights(count, dtype) {
    for (float& x : v) x *= x;
    for (const float g : Normal(count, 4)) {
      sums.push_back(static_cast<int64_t>(g / kUnit));
    }
  }
  AdamWArgs Args(DType dtype) {
    return {sums.data(),
            0.37 * kUnit,
            master.data(),
            m.data(),
            v.data(),
            weights.data(),
            static_cast<int64_t>(sums.size()),
            dtype,
            1e-3,
            0.9,
            0.95,
            1e-8,
            0.1,
            5};
  }
  std::vector<int64_t> sums;
  std::vector<float> master, m, v;
  Tensor weights;
};

class AdamWTest : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Formats, AdamWTest,
                         ::testing::Values(DType::kF32, DType::kBf16));

TEST_P(AdamWTest, AgreesWithReference) {
  for (const int64_t count : {1, 15, 16, 17, 40000}) {
    State want(count, GetParam()), got(count, GetParam());
    Cpu cpu(2);
    AdamW(RefContext{}, want.Args(GetParam()));
    AdamW(cpu, got.Args(GetParam()));
    const double tolerance = ToleranceOf(DType::kF32).row;
    ExpectNear(got.master, want.master, tolerance);
    ExpectNear(got.m, want.m, tolerance);
    ExpectNear(got.v, want.v, tolerance);
    ExpectNear(got.weights.Floats(), want.weights.Floats(),
               ToleranceOf(GetParam()).row);
  }
}

TEST_P(AdamWTest, BitsDependNeitherOnThreadsNorOnTheRangesCut) {
  constexpr int64_t kCount = 100003, kCut = 33333;
  State whole(kCount, GetParam()), parts(kCount, GetParam());
  Cpu one(1), three(3);
  AdamW(three, whole.Args(GetParam()));
  AdamWArgs args = parts.Args(GetParam());
  args.count = kCut;
  AdamW(one, args);
  args = {parts.sums.data() + kCut,
          args.gradient_scale,
          parts.master.data() + kCut,
          parts.m.data() + kCut,
          parts.v.data() + kCut,
          parts.weights.at(kCut),
          kCount - kCut,
          GetParam(),
          1e-3,
          0.9,
          0.95,
          1e-8,
          0.1,
          5};
  AdamW(one, args);
  EXPECT_EQ(DifferingBits(whole.master.data(), parts.master.data(), kCount), 0);
  EXPECT_EQ(DifferingBits(whole.m.data(), parts.m.data(), kCount), 0);
  EXPECT_EQ(DifferingBits(whole.v.data(), parts.v.data(), kCount), 0);
}

TEST(SumOfSquaresTest, IsAccurateAndIndependentOfThreads) {
  for (const int64_t count : {0, 1, 17, 100003}) {
    State state(count, DType::kF32);
    long double want = 0;
    for (const int64_t x : state.sums) {
      want += static_cast<long double>(x) * static_cast<long double>(x);
    }
    Cpu one(1), three(3);
    const double got = SumOfSquares(one, state.sums.data(), count);
    EXPECT_NEAR(got, static_cast<double>(want),
                1e-14 * static_cast<double>(want));
    EXPECT_EQ(got, SumOfSquares(three, state.sums.data(), count));
  }
}

}  // namespace
}  // namespace aha::ops
