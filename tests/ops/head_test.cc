#include "ops/head.h"

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

PackedHead Packed(Cpu& cpu, const Tensor& w, int64_t vocab, int64_t hidden,
                  DType dtype) {
  absl::StatusOr<PackedHead> head = PackedHead::Create(vocab, hidden, dtype);
  EXPECT_TRUE(head.ok()) << head.status();
  head->Pack(cpu, w.data());
  return *std::move(head);
}

class HeadTest
    : public ::testing::TestWithParam<std::tuple<int64_t, int64_t, DType>> {
 protected:
  HeadTest() {
    for (int64_t r = 0; r < kRows; ++r) {
      tokens_.push_back(static_cast<int32_t>((r * 7919) % vocab_));
    }
  }
  static constexpr int64_t kRows = 75;
  const int64_t vocab_ = std::get<0>(GetParam());
  const int64_t hidden_ = std::get<1>(GetParam());
  const DType dtype_ = std::get<2>(GetParam());
  const Tensor x_{Normal(kRows * hidden_, 1), dtype_};
  const Tensor w_{
      Normal(vocab_ * hidden_, 2, 2 / std::sqrt(static_cast<float>(hidden_))),
      dtype_};
  std::vector<int32_t> tokens_;
};

// One short tile, exactly one, one more than one, several.
INSTANTIATE_TEST_SUITE_P(
    Shapes, HeadTest,
    ::testing::Combine(::testing::Values(1, 110, 1024, 1025, 2600),
                       ::testing::Values(67),
                       ::testing::Values(DType::kF32, DType::kBf16)));

TEST_P(HeadTest, ScoreAgreesWithReference) {
  Cpu cpu(2);
  const PackedHead head = Packed(cpu, w_, vocab_, hidden_, dtype_);
  std::vector<float> want(kRows), want_entropy(kRows), got(kRows),
      entropy(kRows), lse(kRows);
  for (const float temperature : {1.f, 0.7f, 0.f}) {
    HeadScore(ReferenceContext{},
              {x_.data(), w_.data(), kRows, vocab_, hidden_, dtype_,
               tokens_.data(), temperature, want.data(), want_entropy.data()});
    HeadScore(cpu, {x_.data(), &head, kRows, tokens_.data(), temperature,
                    got.data(), entropy.data(), lse.data()});
    ExpectNear(got, want, 4e-6);
    ExpectNear(entropy, want_entropy, 4e-6);
  }
}

TEST_P(HeadTest, ScoreBitsDependNeitherOnRowsNorOnThreads) {
  Cpu one(1), two(2), three(3);
  const PackedHead head = Packed(two, w_, vocab_, hidden_, dtype_);
  std::vector<float> want(kRows), want_entropy(kRows), got(kRows),
      entropy(kRows);
  HeadScore(two, {x_.data(), &head, kRows, tokens_.data(), 0.9f, want.data(),
                  want_entropy.data(), nullptr});
  for (Cpu* cpu : {&one, &two, &three}) {
    for (const int64_t batch : {1, 2, 7, 16, 33, 64, 75}) {
      for (int64_t r = 0; r < kRows; r += batch) {
        const int64_t n = std::min(batch, kRows - r);
        HeadScore(*cpu, {x_.at(r * hidden_), &head, n, &tokens_[r], 0.9f,
                         &got[r], &entropy[r], nullptr});
      }
      ASSERT_EQ(DifferingBits(got.data(), want.data(), kRows), 0) << batch;
      ASSERT_EQ(DifferingBits(entropy.data(), want_entropy.data(), kRows), 0);
    }
  }
}

TEST_P(HeadTest, SampledLogprobsAreTheScoredOnesBitForBit) {
  Cpu one(1), two(2);
  const PackedHead head = Packed(two, w_, vocab_, hidden_, dtype_);
  for (const float temperature : {1.f, 0.6f, 0.f}) {
    std::vector<DrawArgs> draws;
    for (int64_t r = 0; r < kRows; ++r) {
      DrawArgs draw{RandomKey(5, RandomPurpose::kTest, r), temperature};
      if (r % 3 == 1) draw.top_k = 5;
      if (r % 3 == 2) draw.top_p = 0.5f;
      draws.push_back(draw);
    }
    std::vector<int32_t> tokens(kRows), alone(kRows);
    std::vector<float> sampled(kRows), scored(kRows), alone_logprobs(kRows);
    HeadSample(two,
               {x_.data(), &head, kRows, draws, tokens.data(), sampled.data()});
    HeadScore(two, {x_.data(), &head, kRows, tokens.data(), temperature,
                    scored.data(), nullptr, nullptr});
    EXPECT_EQ(DifferingBits(sampled.data(), scored.data(), kRows), 0);
    for (int64_t r = 0; r < kRows; ++r) {
      HeadSample(one, {x_.at(r * hidden_),
                       &head,
                       1,
                       {&draws[r], 1},
                       &alone[r],
                       &alone_logprobs[r]});
    }
    EXPECT_EQ(alone, tokens);
    EXPECT_EQ(DifferingBits(sampled.data(), alone_logprobs.data(), kRows), 0);
  }
}

TEST_P(HeadTest, GradAgreesWithItsFormulaForAnyNumberOfThreads) {
  Cpu one(1), two(2);
  const PackedHead head = Packed(two, w_, vocab_, hidden_, dtype_);
  const auto dlogprob = Normal(kRows, 9);
  constexpr float kTemperature = 0.8f;
  std::vector<float> lse(kRows), logprobs(kRows);
  HeadScore(two, {x_.data(), &head, kRows, tokens_.data(), kTemperature,
                  logprobs.data(), nullptr, lse.data()});
  std::vector<float> dx(kRows * hidden_, 9.f), dw(vocab_ * hidden_, 9.f);
  auto dx1 = dx, dw1 = dw;
  HeadGradArgs args{x_.data(),      &head,        w_.data(),  kRows,
                    tokens_.data(), kTemperature, lse.data(), dlogprob.data(),
                    dx.data(),      dw.data()};
  HeadGrad(two, args);
  std::vector<double> dx_want(dx.size()), dw_want(dw.size());
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < vocab_; ++v) {
      double l = 0;
      for (int64_t c = 0; c < hidden_; ++c) {
        l += double{x_[r * hidden_ + c]} * w_[v * hidden_ + c];
      }
      const double p = std::exp(l / kTemperature - lse[r]);
      const double d = dlogprob[r] / kTemperature * ((v == tokens_[r]) - p);
      for (int64_t c = 0; c < hidden_; ++c) {
        dx_want[r * hidden_ + c] += d * w_[v * hidden_ + c];
        dw_want[v * hidden_ + c] += d * x_[r * hidden_ + c];
      }
    }
  }
  const double tolerance = ToleranceOf(dtype_).gradient;
  // The parts of a sum are rounded each, and may cancel.
  ExpectNear(dx, {dx_want.begin(), dx_want.end()}, tolerance, 4);
  ExpectNear(dw, {dw_want.begin(), dw_want.end()}, tolerance, 4);
  args.dx = dx1.data();
  args.dw = dw1.data();
  HeadGrad(one, args);
  EXPECT_EQ(dx, dx1);
  EXPECT_EQ(dw, dw1);
  // Tile by tile.
  std::fill(dw1.begin(), dw1.end(), 9.f);
  std::vector<float> tile(kHeadTile * hidden_, 9.f);
  int64_t taken = 0;
  args.dw = tile.data();
  args.take_tile = [&](int64_t first, int64_t rows) {
    EXPECT_EQ(first, taken);
    std::copy_n(tile.data(), rows * hidden_, dw1.data() + first * hidden_);
    taken += rows;
  };
  HeadGrad(two, args);
  EXPECT_EQ(taken, vocab_);
  EXPECT_EQ(dx, dx1);
  EXPECT_EQ(dw, dw1);
}

TEST(HeadGradTest, AgreesWithFiniteDifferencesOfTheReference) {
  constexpr int64_t kRows = 2, kVocab = 9, kHidden = 5;
  Cpu cpu(1);
  auto x = Normal(kRows * kHidden, 1), w = Normal(kVocab * kHidden, 2);
  const auto dlogprob = Normal(kRows, 3);
  const std::vector<int32_t> tokens = {4, 8};
  std::vector<float> logprobs(kRows), lse(kRows), dx(x.size()), dw(w.size());
  const PackedHead head =
      Packed(cpu, Tensor(w, DType::kF32), kVocab, kHidden, DType::kF32);
  HeadScore(cpu, {x.data(), &head, kRows, tokens.data(), 0.7f, logprobs.data(),
                  nullptr, lse.data()});
  HeadGrad(cpu, {x.data(), &head, w.data(), kRows, tokens.data(), 0.7f,
                 lse.data(), dlogprob.data(), dx.data(), dw.data()});
  const auto objective = [&] {
    HeadScore(ReferenceContext{},
              {x.data(), w.data(), kRows, kVocab, kHidden, DType::kF32,
               tokens.data(), 0.7f, logprobs.data(), nullptr});
    return Dot(dlogprob, logprobs);
  };
  ExpectGradient(x, dx, objective);
  ExpectGradient(w, dw, objective);
}

TEST(HeadNonFiniteTest, OneBadLogitMakesTheLogprobNotFinite) {
  constexpr int64_t kVocab = 1500, kHidden = 8;
  Cpu cpu(2);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const int64_t where : {0, 700, 1100}) {
      Tensor w(Normal(kVocab * kHidden, 1), DType::kF32);
      w.Set(where * kHidden, bad);
      std::vector<float> x(kHidden, 1.f);
      const PackedHead head = Packed(cpu, w, kVocab, kHidden, DType::kF32);
      for (const float top_p : {1.f, 0.9f}) {
        DrawArgs draw{RandomKey(1, RandomPurpose::kTest), 1, top_p};
        int32_t token = -1;
        float logprob = 0, scored = 0;
        HeadSample(cpu, {x.data(), &head, 1, {&draw, 1}, &token, &logprob});
        EXPECT_FALSE(std::isfinite(logprob)) << bad << " at " << where;
        EXPECT_GE(token, 0);
        EXPECT_LT(token, kVocab);
        const int32_t other = 3;
        HeadScore(cpu,
                  {x.data(), &head, 1, &other, 1, &scored, nullptr, nullptr});
        EXPECT_FALSE(std::isfinite(scored)) << bad << " at " << where;
      }
    }
  }
}

}  // namespace
}  // namespace aha::ops
