#include "ops/head.h"

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

PackedHead Packed(const Context& context, const Tensor& w, int64_t vocab,
                  int64_t hidden) {
  absl::StatusOr<PackedHead> head =
      PackedHead::Create(context, vocab, hidden, w.dtype());
  EXPECT_TRUE(head.ok()) << head.status();
  head->Pack(context, w.data());
  return *std::move(head);
}

class HeadTest : public ::testing::TestWithParam<
                     std::tuple<int64_t, int64_t, DType, Device>> {
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
  Machine machine_{std::get<3>(GetParam())};
  const Context context_ = machine_.context();
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
                       ::testing::Values(DType::kF32, DType::kBf16),
                       AllDevices()));

// ln p and the entropy of one row, written out.
struct Definition {
  double logprob, entropy;
};
Definition Define(const Tensor& x, const Tensor& w, int64_t row, int32_t token,
                  int64_t hidden, double temperature) {
  const int64_t vocab = static_cast<int64_t>(w.Floats().size()) / hidden;
  std::vector<double> logits(static_cast<size_t>(vocab));
  double sum = 0, weighted = 0;
  for (int64_t v = 0; v < vocab; ++v) {
    for (int64_t c = 0; c < hidden; ++c) {
      logits[v] += double{x[row * hidden + c]} * w[v * hidden + c] /
                   (temperature > 0 ? temperature : 1);
    }
    sum += std::exp(logits[v]);
    weighted += std::exp(logits[v]) * logits[v];
  }
  return {logits[token] - std::log(sum), std::log(sum) - weighted / sum};
}

TEST_P(HeadTest, ScoreIsItsDefinition) {
  const PackedHead head = Packed(context_, w_, vocab_, hidden_);
  std::vector<float> got(kRows), entropy(kRows), lse(kRows);
  for (const float temperature : {1.f, 0.7f, 0.f}) {
    HeadScore(context_, {x_.data(), &head, kRows, tokens_.data(), temperature,
                         got.data(), entropy.data(), lse.data()});
    for (int64_t r = 0; r < kRows; r += 7) {
      const Definition want =
          Define(x_, w_, r, tokens_[r], hidden_, temperature);
      ASSERT_NEAR(got[r], want.logprob, 4e-6 * std::abs(want.logprob) + 4e-6);
      ASSERT_NEAR(entropy[r], want.entropy, 4e-6 * want.entropy + 4e-6);
    }
  }
}

TEST_P(HeadTest, ScoreBitsDependNeitherOnRowsNorOnThreads) {
  const PackedHead head = Packed(context_, w_, vocab_, hidden_);
  std::vector<float> want(kRows), want_entropy(kRows), got(kRows),
      entropy(kRows);
  HeadScore(context_, {x_.data(), &head, kRows, tokens_.data(), 0.9f,
                       want.data(), want_entropy.data(), nullptr});
  for (const Context& context : machine_.contexts()) {
    for (const int64_t batch : {1, 2, 7, 16, 33, 64, 75}) {
      for (int64_t r = 0; r < kRows; r += batch) {
        const int64_t n = std::min(batch, kRows - r);
        HeadScore(context, {x_.at(r * hidden_), &head, n, &tokens_[r], 0.9f,
                            &got[r], &entropy[r], nullptr});
      }
      ASSERT_EQ(DifferingBits(got.data(), want.data(), kRows), 0) << batch;
      ASSERT_EQ(DifferingBits(entropy.data(), want_entropy.data(), kRows), 0);
    }
  }
}

TEST_P(HeadTest, SampledLogprobsAreTheScoredOnesBitForBit) {
  const PackedHead head = Packed(context_, w_, vocab_, hidden_);
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
    HeadSample(context_,
               {x_.data(), &head, kRows, draws, tokens.data(), sampled.data()});
    HeadScore(context_, {x_.data(), &head, kRows, tokens.data(), temperature,
                         scored.data(), nullptr, nullptr});
    EXPECT_EQ(DifferingBits(sampled.data(), scored.data(), kRows), 0);
    for (int64_t r = 0; r < kRows; ++r) {
      HeadSample(machine_.contexts()[0], {x_.at(r * hidden_),
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

// A token differs only where its draw fell within rounding of a boundary.
TEST_P(HeadTest, EveryDeviceDrawsTheTokensOfTheReference) {
  const PackedHead head = Packed(context_, w_, vocab_, hidden_);
  const PackedHead defined = Packed(ReferenceContext{}, w_, vocab_, hidden_);
  std::vector<int32_t> want(kRows), got(kRows);
  std::vector<float> logprobs(kRows);
  for (const float temperature : {1.f, 0.6f, 0.f}) {
    std::vector<DrawArgs> draws;
    for (int64_t r = 0; r < kRows; ++r) {
      DrawArgs draw{RandomKey(8, RandomPurpose::kTest, r), temperature};
      if (r % 3 == 1) draw.top_k = 5;
      if (r % 3 == 2) draw.top_p = 0.5f;
      draws.push_back(draw);
    }
    HeadSample(ReferenceContext{}, {x_.data(), &defined, kRows, draws,
                                    want.data(), logprobs.data()});
    HeadSample(context_,
               {x_.data(), &head, kRows, draws, got.data(), logprobs.data()});
    int64_t differing = 0;
    for (int64_t r = 0; r < kRows; ++r) differing += got[r] != want[r];
    EXPECT_LE(differing, 1) << temperature;
  }
}

TEST_P(HeadTest, GradAgreesWithItsFormulaForAnyNumberOfThreads) {
  const PackedHead head = Packed(context_, w_, vocab_, hidden_);
  const auto dlogprob = Normal(kRows, 9);
  constexpr float kTemperature = 0.8f;
  std::vector<float> lse(kRows), logprobs(kRows);
  HeadScore(context_, {x_.data(), &head, kRows, tokens_.data(), kTemperature,
                       logprobs.data(), nullptr, lse.data()});
  std::vector<float> dx(kRows * hidden_, 9.f), dw(vocab_ * hidden_, 9.f);
  auto dx1 = dx, dw1 = dw;
  HeadGradArgs args{x_.data(),      &head,        w_.data(),  kRows,
                    tokens_.data(), kTemperature, lse.data(), dlogprob.data(),
                    dx.data(),      dw.data()};
  HeadGrad(context_, args);
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
  for (const Context& context : machine_.contexts()) {
    HeadGrad(context, args);
    EXPECT_EQ(dx, dx1);
    EXPECT_EQ(dw, dw1);
  }
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
  HeadGrad(context_, args);
  EXPECT_EQ(taken, vocab_);
  EXPECT_EQ(dx, dx1);
  EXPECT_EQ(dw, dw1);
}

class HeadOnDevice : public ::testing::TestWithParam<Device> {
 protected:
  Machine machine_{GetParam()};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Devices, HeadOnDevice, AllDevices());

TEST_P(HeadOnDevice, GradAgreesWithFiniteDifferences) {
  constexpr int64_t kRows = 2, kVocab = 9, kHidden = 5;
  auto x = Normal(kRows * kHidden, 1), w = Normal(kVocab * kHidden, 2);
  const auto dlogprob = Normal(kRows, 3);
  const std::vector<int32_t> tokens = {4, 8};
  std::vector<float> logprobs(kRows), lse(kRows), dx(x.size()), dw(w.size());
  const PackedHead head =
      Packed(context_, Tensor(w, DType::kF32), kVocab, kHidden);
  HeadScore(context_, {x.data(), &head, kRows, tokens.data(), 0.7f,
                       logprobs.data(), nullptr, lse.data()});
  HeadGrad(context_, {x.data(), &head, w.data(), kRows, tokens.data(), 0.7f,
                      lse.data(), dlogprob.data(), dx.data(), dw.data()});
  const auto objective = [&] {
    const PackedHead moved =
        Packed(ReferenceContext{}, Tensor(w, DType::kF32), kVocab, kHidden);
    HeadScore(ReferenceContext{}, {x.data(), &moved, kRows, tokens.data(), 0.7f,
                                   logprobs.data(), nullptr, nullptr});
    return Dot(dlogprob, logprobs);
  };
  ExpectGradient(x, dx, objective);
  ExpectGradient(w, dw, objective);
}

TEST_P(HeadOnDevice, OneBadLogitMakesTheLogprobNotFinite) {
  constexpr int64_t kVocab = 1500, kHidden = 8;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const int64_t where : {0, 700, 1100}) {
      Tensor w(Normal(kVocab * kHidden, 1), DType::kF32);
      w.Set(where * kHidden, bad);
      std::vector<float> x(kHidden, 1.f);
      const PackedHead head = Packed(context_, w, kVocab, kHidden);
      for (const float top_p : {1.f, 0.9f}) {
        DrawArgs draw{RandomKey(1, RandomPurpose::kTest), 1, top_p};
        int32_t token = -1;
        float logprob = 0, scored = 0;
        HeadSample(context_,
                   {x.data(), &head, 1, {&draw, 1}, &token, &logprob});
        EXPECT_FALSE(std::isfinite(logprob)) << bad << " at " << where;
        EXPECT_GE(token, 0);
        EXPECT_LT(token, kVocab);
        const int32_t other = 3;
        HeadScore(context_,
                  {x.data(), &head, 1, &other, 1, &scored, nullptr, nullptr});
        EXPECT_FALSE(std::isfinite(scored)) << bad << " at " << where;
      }
    }
  }
}

}  // namespace
}  // namespace aha::ops
