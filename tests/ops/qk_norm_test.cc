// Tests the norm of query and key heads.
#include "ops/qk_norm.h"

#include <cmath>
#include <tuple>
#include <vector>

#include "ops/rms_norm.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

constexpr float kEps = 1e-6f;

// Rows with room after the heads, as where keys and values stand beside the
// queries.
struct QkShape {
  int64_t rows, heads, head_dim;
  int64_t stride() const { return heads * head_dim + 5; }
};

void PrintTo(const QkShape& s, std::ostream* out) {
  *out << s.rows << " rows of " << s.heads << " heads of " << s.head_dim;
}

class QkNormTest
    : public ::testing::TestWithParam<std::tuple<QkShape, Device>> {
 protected:
  const QkShape s_ = std::get<0>(GetParam());
  Machine machine_{std::get<1>(GetParam())};
  const Context context_ = machine_.context();
  const std::vector<float> x_ = Normal(s_.rows * s_.stride(), 1, 3);
  const std::vector<float> gamma_ = Normal(s_.head_dim, 2);
  const std::vector<float> dy_ = Normal(s_.rows * s_.stride(), 3);

  QkNormArgs Forward(std::vector<float>* y) const {
    return {x_.data(),   gamma_.data(), y->data(),   s_.rows,
            s_.stride(), s_.heads,      s_.head_dim, kEps};
  }
  QkNormGradArgs Backward(std::vector<float>* dy,
                          std::vector<float>* dgamma) const {
    return {x_.data(),      gamma_.data(), dy->data(),
            dgamma->data(), s_.rows,       s_.stride(),
            s_.heads,       s_.head_dim,   kEps};
  }
};

INSTANTIATE_TEST_SUITE_P(
    Shapes, QkNormTest,
    ::testing::Combine(::testing::Values(QkShape{1, 1, 2}, QkShape{70, 3, 24},
                                         QkShape{33, 1, 48},
                                         QkShape{5, 16, 128}),
                       AllDevices()));

TEST_P(QkNormTest, AgreesWithReferenceAndLeavesTheRestOfARow) {
  std::vector<float> want = dy_, got = dy_;
  QkNorm(ReferenceContext{}, Forward(&want));
  QkNorm(context_, Forward(&got));
  ExpectNear(got, want, ToleranceOf(DType::kF32).row);
  for (int64_t r = 0; r < s_.rows; ++r) {
    const int64_t at = (r + 1) * s_.stride() - 5;
    EXPECT_EQ(DifferingBits(&got[at], &dy_[at], 5), 0);
  }
}

TEST_P(QkNormTest, EachHeadIsTheRmsNormOfItsNumbers) {
  std::vector<float> got = x_;
  QkNorm(context_, Forward(&got));
  std::vector<float> want(static_cast<size_t>(s_.head_dim));
  const int64_t at = (s_.rows - 1) * s_.stride() + (s_.heads - 1) * s_.head_dim;
  RmsNorm(context_, {&x_[at], gamma_.data(), want.data(), nullptr, 1,
                     s_.head_dim, kEps, DType::kF32});
  EXPECT_EQ(DifferingBits(&got[at], want.data(), s_.head_dim), 0);
}

TEST_P(QkNormTest, InPlaceGivesTheSameBits) {
  std::vector<float> apart = x_, in_place = x_;
  QkNorm(context_, Forward(&apart));
  QkNormArgs args = Forward(&in_place);
  args.x = in_place.data();
  QkNorm(context_, args);
  EXPECT_EQ(apart, in_place);
}

TEST_P(QkNormTest, GradientAgreesWithReference) {
  std::vector<float> dx_want = dy_, dx_got = dy_;
  std::vector<float> dgamma_want(s_.head_dim), dgamma_got(s_.head_dim, 7.f);
  QkNormGrad(ReferenceContext{}, Backward(&dx_want, &dgamma_want));
  QkNormGrad(context_, Backward(&dx_got, &dgamma_got));
  const Tolerance fp32 = ToleranceOf(DType::kF32);
  ExpectNear(dx_got, dx_want, fp32.gradient);
  ExpectNear(dgamma_got, dgamma_want, fp32.gradient,
             std::sqrt(static_cast<double>(s_.rows * s_.heads)));
}

TEST_P(QkNormTest, NothingDependsOnThreads) {
  std::vector<float> y_want = x_, dx_want = dy_, dgamma_want(s_.head_dim);
  QkNorm(context_, Forward(&y_want));
  QkNormGrad(context_, Backward(&dx_want, &dgamma_want));
  for (const Context& context : machine_.contexts()) {
    std::vector<float> y = x_, dx = dy_, dgamma(s_.head_dim);
    QkNorm(context, Forward(&y));
    QkNormGrad(context, Backward(&dx, &dgamma));
    EXPECT_EQ(y, y_want);
    EXPECT_EQ(dx, dx_want);
    EXPECT_EQ(dgamma, dgamma_want);
  }
}

TEST(QkNormGradTest, ReferenceAgreesWithFiniteDifferences) {
  constexpr int64_t kRows = 2, kHeads = 2, kDim = 6, kCount = 24;
  std::vector<float> x = Normal(kCount, 1), gamma = Normal(kDim, 2);
  const std::vector<float> w = Normal(kCount, 3);
  std::vector<float> y(kCount), dx = w, dgamma(kDim);
  QkNormGrad(ReferenceContext{},
             {x.data(), gamma.data(), dx.data(), dgamma.data(), kRows,
              kHeads * kDim, kHeads, kDim, kEps});
  const auto objective = [&] {
    QkNorm(ReferenceContext{}, {x.data(), gamma.data(), y.data(), kRows,
                                kHeads * kDim, kHeads, kDim, kEps});
    return Dot(w, y);
  };
  ExpectGradient(x, dx, objective, 1e-3f);
  ExpectGradient(gamma, dgamma, objective, 1e-3f);
}

}  // namespace
}  // namespace aha::ops
