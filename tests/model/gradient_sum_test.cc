#include "model/gradient_sum.h"

#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

class GradientSumTest : public testing::Test {
 protected:
  GradientSumTest()
      : layout_(std::make_shared<ParameterLayout>(Config())),
        info_(layout_->tensors()[0]) {}

  static ModelConfig Config() {
    ModelConfig config = TinyConfig();
    config.vocab_size = 5001;  // This makes several blocks and a remainder.
    return config;
  }

  std::vector<float> Term(uint64_t seed) const {
    const RandomKey key(seed, RandomPurpose::kTest);
    std::vector<float> term(static_cast<size_t>(info_.count));
    for (size_t i = 0; i < term.size(); ++i) {
      // Magnitudes are from 2^-40 to 2^18, so eight terms stay below the bound.
      const int exponent = static_cast<int>(key.Below(2 * i, 59)) - 40;
      term[i] = std::ldexp(key.Uniform(2 * i + 1) - 0.5f, exponent);
    }
    return term;
  }

  std::shared_ptr<const ParameterLayout> layout_;
  const TensorInfo& info_;
  ThreadPool pool_{3};
};

TEST_F(GradientSumTest, DoesNotDependOnOrderOrThreads) {
  GradientSum forward(layout_), backward(layout_);
  ThreadPool one(1);
  for (uint64_t s = 0; s < 8; ++s) {
    ASSERT_TRUE(
        forward.Add(info_, Term(s).data(), ops::CpuContext{&pool_}).ok());
    ASSERT_TRUE(
        backward.Add(info_, Term(7 - s).data(), ops::CpuContext{&one}).ok());
  }
  const size_t bytes = forward.sums().size() * sizeof(int64_t);
  EXPECT_EQ(std::memcmp(forward.sums().data(), backward.sums().data(), bytes),
            0);
  // This is the negative control: a sum of floats depends on the order.
  std::vector<float> up(Term(0).size()), down(up.size());
  for (uint64_t s = 0; s < 8; ++s) {
    const auto a = Term(s), b = Term(7 - s);
    for (size_t i = 0; i < up.size(); ++i) up[i] += a[i], down[i] += b[i];
  }
  EXPECT_NE(up, down);
}

TEST_F(GradientSumTest, RoundsToNearestEvenAtItsPlace) {
  GradientSum sum(layout_);
  const TensorInfo& second = layout_->tensors()[1];
  std::vector<float> term(static_cast<size_t>(second.count));
  term[0] = 0x1p-36f;
  term[1] = 0x1.8p-36f;
  term[2] = 0x1p-37f;
  term[3] = -0x1.8p-37f;
  term[9] = 3;
  ASSERT_TRUE(sum.Add(second, term.data(), ops::CpuContext{&pool_}).ok());
  const int64_t* at = sum.sums().data() + second.offset;
  EXPECT_EQ(at[-1], 0);
  EXPECT_EQ(at[0], 1);
  EXPECT_EQ(at[1], 2);
  EXPECT_EQ(at[2], 0);
  EXPECT_EQ(at[3], -1);
  EXPECT_EQ(at[9], int64_t{3} << 36);
  sum.Clear();
  EXPECT_EQ(at[9], 0);
}

TEST_F(GradientSumTest, NamesTheTensorOfATermOutOfRange) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), -0x1p21f}) {
    for (const size_t at : {size_t{0}, size_t{5000}, Term(1).size() - 1}) {
      GradientSum sum(layout_);
      std::vector<float> term = Term(1);
      term[at] = bad;
      const absl::Status status =
          sum.Add(info_, term.data(), ops::CpuContext{&pool_});
      EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr("model.embed_tokens.weight"));
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr("element " + std::to_string(at)));
    }
  }
}

TEST_F(GradientSumTest, RefusesASumThatCouldOverflow) {
  GradientSum sum(layout_);
  std::vector<float> term(static_cast<size_t>(info_.count));
  term[17] = 0x1.8p20f;
  ASSERT_TRUE(sum.Add(info_, term.data(), ops::CpuContext{&pool_}).ok());
  EXPECT_FALSE(sum.Add(info_, term.data(), ops::CpuContext{&pool_}).ok());
}

TEST_F(GradientSumTest, TheLargestSumsOf64RanksDoNotWrapAndAreRefused) {
  GradientSum sum(layout_);
  EXPECT_TRUE(sum.Check().ok());
  const TensorInfo& second = layout_->tensors()[1];
  std::vector<float> term(static_cast<size_t>(second.count));
  term[3] = -std::nextafter(0x1p21f, 0.0f);
  ASSERT_TRUE(sum.Add(second, term.data(), ops::CpuContext{&pool_}).ok());
  EXPECT_TRUE(sum.Check().ok());
  int64_t& reduced = sum.sums()[static_cast<size_t>(second.offset) + 3];
  ASSERT_FALSE(__builtin_mul_overflow(reduced, 64, &reduced));
  const absl::Status status = sum.Check();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr(second.name));
}

TEST_F(GradientSumTest, ARangeAnswersForItsOwnSumsOnly) {
  GradientSum sum(layout_);
  const TensorInfo& second = layout_->tensors()[1];
  const int64_t at = second.offset + 3;
  sum.sums()[static_cast<size_t>(at)] = int64_t{1} << 57;
  EXPECT_EQ(sum.FirstTooLarge(0, layout_->count()), 1);
  EXPECT_EQ(sum.FirstTooLarge(at, at + 1), 1);
  EXPECT_EQ(sum.FirstTooLarge(0, at), -1);
  EXPECT_EQ(sum.FirstTooLarge(at + 1, layout_->count()), -1);
  EXPECT_EQ(sum.TooLarge(1), sum.Check());
}

}  // namespace
}  // namespace aha
