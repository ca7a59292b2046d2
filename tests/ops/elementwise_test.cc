// Tests rms_norm, swiglu, rope, embedding and convert.
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "ops/convert.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

class RowsTest : public ::testing::TestWithParam<
                     std::tuple<int64_t, int64_t, DType, Device>> {
 protected:
  const int64_t rows_ = std::get<0>(GetParam());
  const int64_t cols_ = std::get<1>(GetParam());
  const DType dtype_ = std::get<2>(GetParam());
  const Tolerance tolerance_ = ToleranceOf(dtype_);
  Machine machine_{std::get<3>(GetParam())};
  const Context context_ = machine_.context();
};

INSTANTIATE_TEST_SUITE_P(
    Shapes, RowsTest,
    ::testing::Combine(::testing::Values(1, 70), ::testing::Values(1, 16, 131),
                       ::testing::Values(DType::kF32, DType::kBf16),
                       AllDevices()));

TEST_P(RowsTest, RmsNormAgreesWithReference) {
  const auto x = Normal(rows_ * cols_, 1), gamma = Normal(cols_, 2);
  Tensor want(rows_ * cols_, dtype_), got = want;
  std::vector<float> inv_want(rows_), inv_got(rows_);
  RmsNormArgs args{x.data(), gamma.data(), want.data(), inv_want.data(),
                   rows_,    cols_,        1e-5f,       dtype_};
  RmsNorm(ReferenceContext{}, args);
  args.y = got.data();
  args.inv_rms = inv_got.data();
  RmsNorm(context_, args);
  ExpectNear(got.Floats(), want.Floats(), tolerance_.row);
  ExpectNear(inv_got, inv_want, ToleranceOf(DType::kF32).row);
}

TEST_P(RowsTest, RmsNormGradAgreesWithReference) {
  const auto x = Normal(rows_ * cols_, 1), gamma = Normal(cols_, 2);
  const auto dy = Normal(rows_ * cols_, 3);
  std::vector<float> inv(rows_, 0.8f);
  auto dx_want = Normal(rows_ * cols_, 4), dx_got = dx_want;
  std::vector<float> dgamma_want(cols_), dgamma_got(cols_, 7.f);
  RmsNormGradArgs args{x.data(),  gamma.data(),   inv.data(),
                       dy.data(), dx_want.data(), dgamma_want.data(),
                       rows_,     cols_};
  RmsNormGrad(ReferenceContext{}, args);
  args.dx = dx_got.data();
  args.dgamma = dgamma_got.data();
  RmsNormGrad(context_, args);
  const Tolerance fp32 = ToleranceOf(DType::kF32);
  ExpectNear(dx_got, dx_want, fp32.gradient);
  ExpectNear(dgamma_got, dgamma_want, fp32.gradient,
             std::sqrt(static_cast<double>(rows_)));
}

TEST_P(RowsTest, SwiGluAgreesWithReference) {
  const auto gate_up = Normal(rows_ * 2 * cols_, 1, 4);
  Tensor want(rows_ * cols_, dtype_), got = want;
  SwiGlu(ReferenceContext{},
         {gate_up.data(), want.data(), rows_, cols_, dtype_});
  SwiGlu(context_, {gate_up.data(), got.data(), rows_, cols_, dtype_});
  ExpectNear(got.Floats(), want.Floats(), tolerance_.row);
}

TEST_P(RowsTest, SwiGluGradAgreesWithReference) {
  const auto gate_up = Normal(rows_ * 2 * cols_, 1, 4);
  const auto dy = Normal(rows_ * cols_, 2);
  Tensor want(rows_ * 2 * cols_, dtype_), got = want;
  SwiGluGradArgs args{gate_up.data(), dy.data(), want.data(),
                      rows_,          cols_,     dtype_};
  SwiGluGrad(ReferenceContext{}, args);
  args.dgate_up = got.data();
  SwiGluGrad(context_, args);
  ExpectNear(got.Floats(), want.Floats(), tolerance_.row);
}

TEST_P(RowsTest, GeGluAndItsGradientAgreeWithReference) {
  const auto gate_up = Normal(rows_ * 2 * cols_, 1, 4);
  const auto dy = Normal(rows_ * cols_, 2);
  Tensor want(rows_ * cols_, dtype_), got = want;
  SwiGluArgs args{gate_up.data(), want.data(), rows_,
                  cols_,          dtype_,      Gate::kGeluTanh};
  SwiGlu(ReferenceContext{}, args);
  args.y = got.data();
  SwiGlu(context_, args);
  ExpectNear(got.Floats(), want.Floats(), tolerance_.row);
  Tensor dwant(rows_ * 2 * cols_, dtype_), dgot = dwant;
  SwiGluGradArgs grad{gate_up.data(), dy.data(), dwant.data(),   rows_,
                      cols_,          dtype_,    Gate::kGeluTanh};
  SwiGluGrad(ReferenceContext{}, grad);
  grad.dgate_up = dgot.data();
  SwiGluGrad(context_, grad);
  // Its slope is a longer product than the others.
  ExpectNear(dgot.Floats(), dwant.Floats(), 2 * tolerance_.row);
}

TEST_P(RowsTest, ANormIsAddedToWhatIsThere) {
  const auto x = Normal(rows_ * cols_, 1), gamma = Normal(cols_, 2);
  auto want = Normal(rows_ * cols_, 3), got = want;
  std::vector<float> inv_want(rows_), inv_got(rows_);
  RmsNormArgs args{x.data(),        gamma.data(), want.data(),
                   inv_want.data(), rows_,        cols_,
                   1e-5f,           DType::kF32,  true};
  RmsNorm(ReferenceContext{}, args);
  args.y = got.data();
  args.inv_rms = inv_got.data();
  RmsNorm(context_, args);
  const Tolerance fp32 = ToleranceOf(DType::kF32);
  ExpectNear(got, want, fp32.row);
  ExpectNear(inv_got, inv_want, fp32.row);
}

TEST_P(RowsTest, AFactorScalesEmbeddingsAndTheirGradient) {
  constexpr int64_t kVocab = 11;
  const Tensor table(Normal(kVocab * cols_, 1), dtype_);
  std::vector<int32_t> tokens;
  for (int64_t r = 0; r < rows_; ++r) tokens.push_back((r * 5) % kVocab);
  std::vector<float> y(rows_ * cols_);
  Embedding(context_, {table.data(), tokens.data(), y.data(), rows_, cols_,
                       dtype_, 2.5f});
  const auto dy = Normal(rows_ * cols_, 1);
  auto want = Normal(kVocab * cols_, 2), got = want;
  EmbeddingGrad(context_,
                {tokens.data(), dy.data(), got.data(), rows_, cols_, 2.5f});
  for (int64_t i = 0; i < rows_ * cols_; ++i) {
    const int64_t at = tokens[i / cols_] * cols_ + i % cols_;
    ASSERT_EQ(y[i], 2.5f * table[at]);
    want[at] = std::fma(2.5f, dy[i], want[at]);
  }
  ExpectNear(got, want, ToleranceOf(DType::kF32).row);
}

TEST_P(RowsTest, RoundIsToBf16BitForBit) {
  auto x = Normal(rows_ * cols_, 1);
  x[0] = 0x1p-130f;
  x[x.size() / 2] = std::numeric_limits<float>::infinity();
  x[x.size() - 1] = std::numeric_limits<float>::quiet_NaN();
  Tensor want(rows_ * cols_, dtype_), got = want;
  Round(ReferenceContext{}, x.data(), want.data(), rows_ * cols_, dtype_);
  Round(context_, x.data(), got.data(), rows_ * cols_, dtype_);
  EXPECT_EQ(std::memcmp(got.data(), want.data(), x.size() * SizeOf(dtype_)), 0);
}

TEST_P(RowsTest, EmbeddingGathersRows) {
  constexpr int64_t kVocab = 11;
  const Tensor table(Normal(kVocab * cols_, 1), dtype_);
  std::vector<int32_t> tokens;
  for (int64_t r = 0; r < rows_; ++r) tokens.push_back((r * 5) % kVocab);
  std::vector<float> y(rows_ * cols_);
  Embedding(context_,
            {table.data(), tokens.data(), y.data(), rows_, cols_, dtype_});
  for (int64_t i = 0; i < rows_ * cols_; ++i) {
    ASSERT_EQ(y[i], table[tokens[i / cols_] * cols_ + i % cols_]);
  }
}

TEST_P(RowsTest, EmbeddingGradAddsRowsInOrder) {
  constexpr int64_t kVocab = 11;
  const auto dy = Normal(rows_ * cols_, 1);
  std::vector<int32_t> tokens;
  for (int64_t r = 0; r < rows_; ++r) tokens.push_back((r * 5) % kVocab);
  auto want = Normal(kVocab * cols_, 2), got = want;
  EmbeddingGrad(context_, {tokens.data(), dy.data(), got.data(), rows_, cols_});
  for (int64_t i = 0; i < rows_ * cols_; ++i) {
    want[tokens[i / cols_] * cols_ + i % cols_] += dy[i];
  }
  EXPECT_EQ(DifferingBits(got.data(), want.data(), kVocab * cols_), 0);
}

// Runs every op of this file with any number of threads and rows.
TEST_P(RowsTest, RowsDependNeitherOnThreadsNorOnOtherRows) {
  const auto x = Normal(rows_ * 2 * cols_, 1), gamma = Normal(cols_, 2);
  const Context one = machine_.contexts().front();
  const Context most = machine_.contexts().back();
  Tensor all(rows_ * cols_, dtype_), single = all;
  RmsNorm(most, {x.data(), gamma.data(), all.data(), nullptr, rows_, cols_,
                 1e-5f, dtype_});
  for (int64_t r = 0; r < rows_; ++r) {
    RmsNorm(one, {x.data() + r * cols_, gamma.data(), single.at(r * cols_),
                  nullptr, 1, cols_, 1e-5f, dtype_});
  }
  EXPECT_EQ(all.Floats(), single.Floats());
  SwiGlu(most, {x.data(), all.data(), rows_, cols_, dtype_});
  for (int64_t r = 0; r < rows_; ++r) {
    SwiGlu(one,
           {x.data() + r * 2 * cols_, single.at(r * cols_), 1, cols_, dtype_});
  }
  EXPECT_EQ(all.Floats(), single.Floats());
  std::vector<float> dgamma1(cols_), dgamma3(cols_), inv(rows_, 1.f);
  auto dx1 = x, dx3 = x;
  RmsNormGrad(one, {x.data(), gamma.data(), inv.data(), x.data(), dx1.data(),
                    dgamma1.data(), rows_, cols_});
  RmsNormGrad(most, {x.data(), gamma.data(), inv.data(), x.data(), dx3.data(),
                     dgamma3.data(), rows_, cols_});
  EXPECT_EQ(dx1, dx3);
  EXPECT_EQ(dgamma1, dgamma3);
}

// Ops whose size needs no table of shapes, on each device.
class OnDevice : public ::testing::TestWithParam<Device> {
 protected:
  Machine machine_{GetParam()};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Devices, OnDevice, AllDevices());

TEST_P(OnDevice, RmsNormsGradientAgreesWithFiniteDifferences) {
  constexpr int64_t kRows = 3, kCols = 7;
  auto x = Normal(kRows * kCols, 1), gamma = Normal(kCols, 2);
  const auto w = Normal(kRows * kCols, 3);
  std::vector<float> y(x.size()), inv(kRows), dx(x.size()), dgamma(kCols);
  const auto objective = [&] {
    RmsNorm(context_, {x.data(), gamma.data(), y.data(), inv.data(), kRows,
                       kCols, 1e-5f, DType::kF32});
    return Dot(w, y);
  };
  objective();
  RmsNormGrad(context_, {x.data(), gamma.data(), inv.data(), w.data(),
                         dx.data(), dgamma.data(), kRows, kCols});
  ExpectGradient(x, dx, objective);
  ExpectGradient(gamma, dgamma, objective);
}

TEST_P(OnDevice, SwiGlusGradientAgreesWithFiniteDifferences) {
  constexpr int64_t kRows = 3, kCols = 5;
  auto gate_up = Normal(kRows * 2 * kCols, 1);
  const auto w = Normal(kRows * kCols, 2);
  std::vector<float> y(w.size()), dgate_up(gate_up.size());
  SwiGluGrad(context_, {gate_up.data(), w.data(), dgate_up.data(), kRows, kCols,
                        DType::kF32});
  ExpectGradient(gate_up, dgate_up, [&] {
    SwiGlu(context_, {gate_up.data(), y.data(), kRows, kCols, DType::kF32});
    return Dot(w, y);
  });
}

TEST_P(OnDevice, GeGlusGradientAgreesWithFiniteDifferences) {
  constexpr int64_t kRows = 3, kCols = 5;
  auto gate_up = Normal(kRows * 2 * kCols, 1);
  const auto w = Normal(kRows * kCols, 2);
  std::vector<float> y(w.size()), dgate_up(gate_up.size());
  SwiGluGrad(context_, {gate_up.data(), w.data(), dgate_up.data(), kRows, kCols,
                        DType::kF32, Gate::kGeluTanh});
  ExpectGradient(gate_up, dgate_up, [&] {
    SwiGlu(context_, {gate_up.data(), y.data(), kRows, kCols, DType::kF32,
                      Gate::kGeluTanh});
    return Dot(w, y);
  });
}

TEST_P(OnDevice, GeGluSaturatesWithoutNan) {
  const std::vector<float> gate_up = {-1e30f, -200, 200, 1e30f, 1, 1, 1, 1};
  std::vector<float> y(4), dgate_up(8);
  SwiGlu(context_,
         {gate_up.data(), y.data(), 1, 4, DType::kF32, Gate::kGeluTanh});
  EXPECT_EQ(y, (std::vector<float>{0, 0, 200, 1e30f}));
  const std::vector<float> dy(4, 1);
  SwiGluGrad(context_, {gate_up.data(), dy.data(), dgate_up.data(), 1, 4,
                        DType::kF32, Gate::kGeluTanh});
  EXPECT_EQ(dgate_up, (std::vector<float>{0, 0, 1, 1, 0, 0, 200, 1e30f}));
}

TEST_P(OnDevice, ARopeTableWithAFactorScalesWhatItTurns) {
  constexpr int64_t kRows = 5, kDim = 6;
  const std::vector<double> frequencies = {1, 0.5, 0.125};
  const RopeTable plain(10, frequencies), scaled(10, frequencies, 1.5);
  const std::vector<int32_t> positions = {0, 3, 9, 1, 4};
  auto x = Normal(kRows * kDim, 1), y = x;
  RopeArgs args{x.data(), positions.data(), &plain, kRows, 1, kDim};
  Rope(context_, args);
  args.x = y.data();
  args.table = &scaled;
  Rope(context_, args);
  for (float& value : x) value *= 1.5f;
  ExpectNear(y, x, ToleranceOf(DType::kF32).row);
}

TEST_P(OnDevice, SwiGluSaturatesWithoutNan) {
  const std::vector<float> gate_up = {-1e30f, -200, 200, 1e30f, 1, 1, 1, 1};
  std::vector<float> y(4);
  SwiGlu(context_, {gate_up.data(), y.data(), 1, 4, DType::kF32});
  EXPECT_EQ(y, (std::vector<float>{0, 0, 200, 1e30f}));
}

TEST_P(OnDevice, RopeAgreesWithReferenceAndBackwardUndoesForward) {
  constexpr int64_t kRows = 37, kHeads = 3, kDim = 24, kStride = 80;
  const RopeTable table(100, kDim, 10000);
  const auto x = Normal(kRows * kStride, 1);
  std::vector<int32_t> positions;
  for (int r = 0; r < kRows; ++r) positions.push_back((r * 7) % 100);
  auto want = x, got = x;
  RopeArgs args{want.data(), positions.data(), &table, kRows, kHeads, kStride};
  Rope(ReferenceContext{}, args);
  args.x = got.data();
  Rope(context_, args);
  ExpectNear(got, want, ToleranceOf(DType::kF32).row);
  EXPECT_NE(got, x);
  args.turn = Turn::kBackward;
  Rope(context_, args);
  ExpectNear(got, x, ToleranceOf(DType::kF32).row);
}

}  // namespace
}  // namespace aha::ops
