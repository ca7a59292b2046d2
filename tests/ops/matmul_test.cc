#include "ops/matmul.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

PackedMatrix Packed(const Context& context, const Tensor& w, int64_t k,
                    int64_t n, PackedMatrix::Source source) {
  absl::StatusOr<PackedMatrix> matrix =
      PackedMatrix::Create(context, k, n, w.dtype());
  EXPECT_TRUE(matrix.ok()) << matrix.status();
  matrix->Pack(context, w.data(), source);
  return *std::move(matrix);
}

// [rows, cols] to [cols, rows]
Tensor Transposed(const Tensor& w, int64_t rows, int64_t cols, DType dtype) {
  Tensor out(rows * cols, dtype);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out.Set(c * rows + r, w[r * cols + c]);
  }
  return out;
}

class MatmulTest
    : public ::testing::TestWithParam<
          std::tuple<std::tuple<int64_t, int64_t, DType>, Device>> {
 protected:
  const int64_t k_ = std::get<0>(std::get<0>(GetParam()));
  const int64_t n_ = std::get<1>(std::get<0>(GetParam()));
  const DType dtype_ = std::get<2>(std::get<0>(GetParam()));
  Machine machine_{std::get<1>(GetParam())};
  const Context context_ = machine_.context();
  // Products of k normal numbers are about sqrt(k).
  const double scale_ = std::sqrt(static_cast<double>(k_));
};

// Where there is something to split.
class SplitMatmulTest : public MatmulTest {};

const auto kSplittable = ::testing::Values(
    std::tuple(37, 51, DType::kF32), std::tuple(37, 51, DType::kBf16),
    std::tuple(128, 384, DType::kF32), std::tuple(128, 384, DType::kBf16),
    std::tuple(576, 600, DType::kF32), std::tuple(576, 600, DType::kBf16),
    std::tuple(1536, 130, DType::kF32), std::tuple(1536, 130, DType::kBf16));

INSTANTIATE_TEST_SUITE_P(Shapes, MatmulTest,
                         ::testing::Combine(kSplittable, AllDevices()));
INSTANTIATE_TEST_SUITE_P(Shapes, SplitMatmulTest,
                         ::testing::Combine(kSplittable,
                                            ::testing::Values(Device::kCpu)));
INSTANTIATE_TEST_SUITE_P(
    OneNumber, MatmulTest,
    ::testing::Combine(::testing::Values(std::tuple(1, 1, DType::kF32),
                                         std::tuple(1, 1, DType::kBf16)),
                       AllDevices()));

TEST_P(MatmulTest, IsItsDefinitionFromBothSources) {
  constexpr int64_t kRows = 67;
  const Tensor x(Normal(kRows * k_, 1), dtype_);
  const Tensor b(Normal(k_ * n_, 2), dtype_);
  std::vector<float> want(kRows * n_);
  for (int64_t i = 0; i < kRows * n_; ++i) {
    double sum = 0;
    for (int64_t t = 0; t < k_; ++t) {
      sum += double{x[i / n_ * k_ + t]} * b[t * n_ + i % n_];
    }
    want[i] = static_cast<float>(sum);
  }
  using Source = PackedMatrix::Source;
  for (const Source source : {Source::kPlain, Source::kTransposed}) {
    const Tensor w =
        source == Source::kPlain ? b : Transposed(b, k_, n_, dtype_);
    const PackedMatrix packed = Packed(context_, w, k_, n_, source);
    std::vector<float> got(kRows * n_);
    Matmul(context_, {x.data(), &packed, got.data(), kRows});
    ExpectNear(got, want, ToleranceOf(dtype_).product, scale_);
  }
}

TEST_P(MatmulTest, BitsDependNeitherOnTheNumberOfRowsNorOfThreads) {
  constexpr int64_t kRows = 200;
  const Tensor x(Normal(kRows * k_, 1), dtype_);
  const Tensor w(Normal(k_ * n_, 2), dtype_);
  const PackedMatrix packed =
      Packed(context_, w, k_, n_, PackedMatrix::Source::kTransposed);
  std::vector<float> want(kRows * n_), got(kRows * n_);
  Matmul(context_, {x.data(), &packed, want.data(), kRows});
  // One row costs the reference what it costs alone: a few counts are enough.
  const int64_t step = std::get<1>(GetParam()) == Device::kCpu ? 1 : 40;
  for (const Context& context : machine_.contexts()) {
    for (int64_t m = 1; m <= kRows; m += m < 70 ? step : 13 * step) {
      const int64_t first = (kRows - m) / 2;  // Any row may come first.
      Matmul(context, {x.at(first * k_), &packed, got.data(), m});
      ASSERT_EQ(DifferingBits(got.data(), &want[first * n_], m * n_), 0)
          << m << " rows";
    }
  }
}

// The comparison above can fail: K split in two gives other bits.
TEST_P(SplitMatmulTest, NegativeControlSplitKDiffers) {
  constexpr int64_t kRows = 64;
  const int64_t half = k_ / 2;
  const Tensor x(Normal(kRows * k_, 1), dtype_);
  const Tensor b(Normal(k_ * n_, 2), dtype_);
  using Source = PackedMatrix::Source;
  const auto part = [&](int64_t begin, int64_t k) {
    Tensor xs(kRows * k, dtype_), bs(k * n_, dtype_);
    for (int64_t i = 0; i < kRows * k; ++i) {
      xs.Set(i, x[i / k * k_ + begin + i % k]);
    }
    for (int64_t i = 0; i < k * n_; ++i) bs.Set(i, b[begin * n_ + i]);
    const PackedMatrix packed = Packed(context_, bs, k, n_, Source::kPlain);
    std::vector<float> y(kRows * n_);
    Matmul(context_, {xs.data(), &packed, y.data(), kRows});
    return y;
  };
  const auto whole = part(0, k_), low = part(0, half);
  auto split = part(half, k_ - half);
  for (size_t i = 0; i < split.size(); ++i) split[i] += low[i];
  EXPECT_GT(DifferingBits(whole.data(), split.data(), kRows * n_), 0);
}

TEST_P(MatmulTest, AddRoundsTheProductFirst) {
  constexpr int64_t kRows = 70;
  const Tensor x(Normal(kRows * k_, 1), dtype_);
  const Tensor w(Normal(k_ * n_, 2), dtype_);
  const PackedMatrix packed =
      Packed(context_, w, k_, n_, PackedMatrix::Source::kPlain);
  auto y = Normal(kRows * n_, 3), want = y;
  std::vector<float> product(kRows * n_);
  Matmul(context_, {x.data(), &packed, product.data(), kRows});
  Matmul(context_, {x.data(), &packed, y.data(), kRows, Into::kAdd});
  for (size_t i = 0; i < want.size(); ++i) want[i] += product[i];
  EXPECT_EQ(DifferingBits(y.data(), want.data(), kRows * n_), 0);
}

TEST_P(MatmulTest, GradWeightAgreesWithReferenceForAnyNumberOfThreads) {
  for (const int64_t m : {0, 1, 50, 64, 130}) {
    const Tensor dy(Normal(m * n_, 1), dtype_), x(Normal(m * k_, 2), dtype_);
    std::vector<float> want(n_ * k_), got(n_ * k_, 9.f), again = got;
    MatmulGradWeightArgs args{dy.data(), x.data(), want.data(), m,
                              n_,        k_,       dtype_};
    MatmulGradWeight(ReferenceContext{}, args);
    args.dw = got.data();
    MatmulGradWeight(context_, args);
    ExpectNear(got, want, ToleranceOf(dtype_).product,
               std::sqrt(static_cast<double>(m)));
    args.dw = again.data();
    for (const Context& context : machine_.contexts()) {
      MatmulGradWeight(context, args);
      ASSERT_EQ(DifferingBits(got.data(), again.data(), n_ * k_), 0) << m;
    }
  }
}

TEST(MatmulGradWeightTest, LongSumsAgreeWithReference) {
  constexpr int64_t kRows = 2500, kN = 20, kK = 40;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Tensor dy(Normal(kRows * kN, 1), dtype),
        x(Normal(kRows * kK, 2), dtype);
    std::vector<float> want(kN * kK), got(kN * kK);
    MatmulGradWeightArgs args{dy.data(), x.data(), want.data(), kRows,
                              kN,        kK,       dtype};
    MatmulGradWeight(ReferenceContext{}, args);
    args.dw = got.data();
    Cpu cpu(2);
    MatmulGradWeight(cpu, args);
    ExpectNear(got, want, ToleranceOf(dtype).product, 50);
  }
}

TEST(MatmulGradWeightTest, ASampleHasTheBitsOfTheWholeAndEveryWidth) {
  constexpr int64_t kRows = 150, kK = 48;
  Cpu cpu(2);
  for (const int64_t n : {1, 30, 64, 192, 576, 600, 960}) {
    const Tensor dy(Normal(kRows * n, 1), DType::kBf16);
    const Tensor x(Normal(kRows * kK, 2), DType::kBf16);
    std::vector<float> want(n * kK), got(n * kK, 9.f);
    MatmulGradWeightArgs args{dy.data(), x.data(), want.data(), kRows,
                              n,         kK,       DType::kBf16};
    MatmulGradWeight(cpu, args);
    args.dw = got.data();
    const std::vector<RowRange> sample = SampleGradWeight(cpu, args);
    ASSERT_FALSE(sample.empty());
    int64_t sampled = 0;
    for (const RowRange& rows : sample) {
      sampled += rows.count;
      EXPECT_EQ(DifferingBits(&got[rows.first * kK], &want[rows.first * kK],
                              rows.count * kK),
                0)
          << n;
    }
    // The rows that are left are whole tasks of the first one's width.
    EXPECT_EQ((n - sampled) % sample[0].count, 0) << n;
    EXPECT_EQ(std::count(got.begin(), got.end(), 9.f), (n - sampled) * kK);
  }
}

// A kernel is a piece's size and whether it adds.
TEST(MatmulGradWeightTest, EveryNumberOfRowsRunsKernelsThatCertifyRan) {
  std::set<std::pair<int64_t, bool>> certified;
  const auto kernels = [](int64_t m) {
    std::vector<std::pair<int64_t, bool>> found;
    int64_t total = 0;
    for (const int64_t piece : GradWeightPieces(m)) {
      found.emplace_back(piece, total > 0);
      total += piece;
    }
    EXPECT_GE(total, m);
    EXPECT_LT(total - m, kGradWeightStep);
    return found;
  };
  for (int64_t m = kGradWeightStep; m <= kGradWeightEnough;
       m += kGradWeightStep) {
    for (const auto& kernel : kernels(m)) certified.insert(kernel);
  }
  for (int64_t m = 1; m <= 9000; ++m) {
    for (const auto& kernel : kernels(m)) {
      ASSERT_TRUE(certified.contains(kernel)) << m;
    }
  }
}

class PackedMatrixTest : public ::testing::TestWithParam<Device> {
 protected:
  Machine machine_{GetParam()};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Devices, PackedMatrixTest, AllDevices());

TEST_P(PackedMatrixTest, RefusesAnEmptyMatrix) {
  EXPECT_EQ(PackedMatrix::Create(context_, 0, 4, DType::kF32).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PackedMatrix::Create(context_, 4, -1, DType::kF32).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(PackedMatrixTest, PackingAgainReplacesTheWeights) {
  constexpr int64_t kSize = 40;
  const Tensor a(Normal(kSize * kSize, 1), DType::kBf16);
  const Tensor b(Normal(kSize * kSize, 2), DType::kBf16);
  using Source = PackedMatrix::Source;
  const PackedMatrix fresh = Packed(context_, b, kSize, kSize, Source::kPlain);
  PackedMatrix reused = Packed(context_, a, kSize, kSize, Source::kPlain);
  reused.Pack(context_, b.data(), Source::kPlain);
  std::vector<float> want(kSize * kSize), got = want;
  Matmul(context_, {a.data(), &fresh, want.data(), kSize});
  Matmul(context_, {a.data(), &reused, got.data(), kSize});
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace aha::ops
