#include "model/generator.h"

#include <cmath>
#include <limits>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backprop.h"
#include "model/kv_cache.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(BlockPoolTest, HandsOutTheLowestAndCountsHolders) {
  BlockPool pool(3);
  EXPECT_EQ(pool.Allocate(), 0);
  EXPECT_EQ(pool.Allocate(), 1);
  pool.Share(0);
  pool.Release(0);
  EXPECT_EQ(pool.available(), 1);
  pool.Release(0);
  EXPECT_EQ(pool.available(), 2);
  EXPECT_EQ(pool.Allocate(), 0);
  EXPECT_EQ(pool.Allocate(), 2);
  EXPECT_EQ(pool.available(), 0);
}

class GeneratorTest : public testing::Test {
 protected:
  GeneratorTest() : parameters_(RandomParameters(config_, 3, DType::kF32)) {}

  void Start(const GeneratorOptions& options = {}) {
    policy_ = MakePolicy(parameters_, config_, &pool_);
    auto generator = Generator::Create(policy_.get(), options);
    ASSERT_TRUE(generator.ok()) << generator.status();
    generator_ = *std::move(generator);
  }

  GroupRequest Request(uint64_t id, int64_t length, int32_t samples,
                       int32_t max_new_tokens = 20) {
    GroupRequest request;
    request.id = id;
    request.key.seed = 5;
    request.key.slot = static_cast<uint32_t>(id);
    request.prompt = RandomTokens(id, length, config_.vocab_size);
    request.num_samples = samples;
    request.sampling.max_new_tokens = max_new_tokens;
    return request;
  }

  std::vector<Sample> Finish() {
    std::vector<Sample> all;
    for (int step = 0; !generator_->idle() && step < 2000; ++step) {
      auto finished = generator_->Step();
      EXPECT_TRUE(finished.ok()) << finished.status();
      if (!finished.ok()) break;
      for (Sample& sample : *finished) all.push_back(std::move(sample));
    }
    EXPECT_TRUE(generator_->idle());
    return all;
  }

  ModelConfig config_ = TinyConfig();
  Parameters parameters_;
  ThreadPool pool_{2};
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Generator> generator_;
};

TEST_F(GeneratorTest, EndsAtAnEndTokenOrAtTheLimit) {
  config_.eos_token_ids = {0, 1, 2};
  Start();
  ASSERT_TRUE(generator_->Submit(Request(1, 5, 60)).ok());
  const std::vector<Sample> samples = Finish();
  ASSERT_EQ(samples.size(), 60u);
  std::map<FinishReason, int> reasons;
  for (const Sample& sample : samples) {
    ++reasons[sample.finish_reason];
    ASSERT_EQ(sample.tokens.size(), sample.logprobs.size());
    for (size_t i = 0; i + 1 < sample.tokens.size(); ++i) {
      EXPECT_GT(sample.tokens[i], 2);
    }
    if (sample.finish_reason == FinishReason::kStop) {
      EXPECT_LE(sample.tokens.back(), 2);
    } else {
      EXPECT_EQ(sample.tokens.size(), 20u);
      EXPECT_GT(sample.tokens.back(), 2);
    }
  }
  EXPECT_GT(reasons[FinishReason::kStop], 5);
  EXPECT_GT(reasons[FinishReason::kLength], 2);
}

TEST_F(GeneratorTest, FillsTheContextToItsLastPosition) {
  config_.eos_token_ids = {};
  Start();
  ASSERT_TRUE(generator_->Submit(Request(1, 150, 2, 1000)).ok());
  ASSERT_TRUE(generator_->Submit(Request(2, 159, 1, 1000)).ok());
  for (const Sample& sample : Finish()) {
    EXPECT_EQ(sample.tokens.size(), sample.group == 1 ? 10u : 1u);
    EXPECT_EQ(sample.finish_reason, FinishReason::kLength);
  }
}

TEST_F(GeneratorTest, ReplacesFinishedRowsInTheMiddleOfAGroup) {
  Start({.max_rows = 3});
  ASSERT_TRUE(generator_->Submit(Request(1, 40, 10)).ok());
  ASSERT_TRUE(generator_->Submit(Request(2, 40, 2)).ok());
  EXPECT_EQ(generator_->queued_samples(), 12);
  ASSERT_TRUE(generator_->Step().ok());
  int64_t most = 0;
  size_t done = 0;
  while (!generator_->idle()) {
    most = std::max(most, generator_->live_samples());
    if (generator_->queued_samples() > 3) {
      EXPECT_GE(generator_->live_samples() + 3, 3);
    }
    const auto finished = generator_->Step();
    ASSERT_TRUE(finished.ok());
    done += finished->size();
  }
  EXPECT_LE(most, 3);
  EXPECT_GE(done, 9u);
}

// Compares the distribution of the first token with the probabilities of
// LogProbs.
TEST_F(GeneratorTest, DrawsFromTheModelsDistribution) {
  Start();
  constexpr int kSamples = 4000;
  ASSERT_TRUE(generator_->Submit(Request(1, 6, kSamples, 1)).ok());
  std::vector<int> counts(30);
  for (const Sample& sample : Finish()) ++counts[sample.tokens[0]];
  auto backprop = Backprop::Create(policy_.get());
  std::vector<TrainSequence> sequences;
  for (int32_t token = 0; token < 30; ++token) {
    sequences.push_back({RandomTokens(1, 6, 30), 6});
    sequences.back().tokens.push_back(token);
  }
  const auto logprobs = (*backprop)->LogProbs(sequences, 1);
  ASSERT_TRUE(logprobs.ok());
  double chi_squared = 0, total = 0;
  for (size_t token = 0; token < 30; ++token) {
    const double p = std::exp((*logprobs)[token]);
    total += p;
    chi_squared += std::pow(counts[token] - kSamples * p, 2) / (kSamples * p);
  }
  EXPECT_NEAR(total, 1, 1e-5);
  EXPECT_LT(chi_squared, 62);  // 29 degrees of freedom: p = 0.0003.
}

TEST_F(GeneratorTest, GreedyTakesTheBestToken) {
  Start();
  GroupRequest request = Request(1, 6, 2, 5);
  request.sampling.temperature = 0;
  ASSERT_TRUE(generator_->Submit(request).ok());
  const std::vector<Sample> samples = Finish();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].tokens, samples[1].tokens);
  auto backprop = Backprop::Create(policy_.get());
  for (int32_t token = 0; token < 30; ++token) {
    TrainSequence other{request.prompt, 6};
    other.tokens.push_back(token);
    const auto logprobs = (*backprop)->LogProbs({&other, 1}, 1);
    EXPECT_LE((*logprobs)[0], samples[0].logprobs[0]);
  }
}

TEST_F(GeneratorTest, TopKOneIsGreedy) {
  Start();
  GroupRequest request = Request(1, 6, 1, 8);
  request.sampling.temperature = 0;
  ASSERT_TRUE(generator_->Submit(request).ok());
  const auto greedy = Finish();
  request.sampling.temperature = 1;
  request.sampling.top_k = 1;
  ASSERT_TRUE(generator_->Submit(request).ok());
  EXPECT_EQ(Finish()[0].tokens, greedy[0].tokens);
}

TEST_F(GeneratorTest, ForgetsACancelledGroup) {
  config_.eos_token_ids = {};
  Start({.max_rows = 4});
  ASSERT_TRUE(generator_->Submit(Request(1, 40, 6)).ok());
  ASSERT_TRUE(generator_->Submit(Request(2, 40, 3)).ok());
  ASSERT_TRUE(generator_->Submit(Request(3, 40, 2)).ok());
  ASSERT_TRUE(generator_->Step().ok());
  generator_->Cancel(1);  // This group is live and waiting.
  generator_->Cancel(3);  // This group only waits.
  generator_->Cancel(77);
  std::vector<Sample> samples = Finish();
  ASSERT_EQ(samples.size(), 3u);
  for (const Sample& sample : samples) EXPECT_EQ(sample.group, 2u);
  // The id is free again, and so is all the memory.
  ASSERT_TRUE(generator_->Submit(Request(1, 40, 6)).ok());
  EXPECT_EQ(Finish().size(), 6u);
}

TEST_F(GeneratorTest, RefusesRequestsByName) {
  Start();
  const auto message = [&](const GroupRequest& request) {
    return std::string(generator_->Submit(request).message());
  };
  EXPECT_THAT(message(Request(7, 0, 1)), HasSubstr("group 7: prompt"));
  EXPECT_THAT(message(Request(7, 160, 1)),
              HasSubstr("1 to 159 tokens (max_position_embeddings is 160)"));
  EXPECT_THAT(message(Request(7, 4, 0)), HasSubstr("num_samples"));
  EXPECT_THAT(message(Request(7, 4, 1, 0)), HasSubstr("max_new_tokens"));
  for (const int32_t token : {-1, 30}) {
    GroupRequest request = Request(7, 4, 1);
    request.prompt[2] = token;
    EXPECT_THAT(message(request), HasSubstr("token ids below 30"));
  }
  for (const float bad :
       {-1.0f, 1e-9f, 1e9f, std::numeric_limits<float>::quiet_NaN()}) {
    GroupRequest request = Request(7, 4, 1);
    request.sampling.temperature = bad;
    EXPECT_THAT(message(request), HasSubstr("temperature"));
    request = Request(7, 4, 1);
    request.sampling.top_p = bad == 1e-9f ? 0 : bad;
    EXPECT_THAT(message(request), HasSubstr("top_p"));
  }
  GroupRequest request = Request(7, 4, 1);
  request.sampling.top_k = -1;
  EXPECT_THAT(message(request), HasSubstr("top_k"));
  EXPECT_TRUE(generator_->idle());
  ASSERT_TRUE(generator_->Submit(Request(7, 4, 1)).ok());
  EXPECT_THAT(message(Request(7, 4, 1)), HasSubstr("in use"));
  EXPECT_EQ(Finish().size(), 1u);
}

TEST_F(GeneratorTest, RefusesWhatCannotFitItsMemory) {
  // A block has 2 layers x 2 x 2 heads x 4 x 32 tokens x 4 bytes = 4 KiB.
  Start({.max_kv_bytes = 3 * 4096});
  EXPECT_EQ(generator_->Submit(Request(1, 60, 1, 40)).code(),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(generator_->Submit(Request(1, 20, 30, 30)).ok());
  EXPECT_EQ(Finish().size(), 30u);
}

TEST_F(GeneratorTest, RefusesOptionsByName) {
  policy_ = MakePolicy(parameters_, config_, &pool_);
  const auto message = [&](const GeneratorOptions& options) {
    return std::string(
        Generator::Create(policy_.get(), options).status().message());
  };
  EXPECT_THAT(message({.max_rows = 0}), HasSubstr("max_rows"));
  EXPECT_THAT(message({.max_prefill_tokens = 0}),
              HasSubstr("max_prefill_tokens"));
  EXPECT_THAT(message({.max_kv_bytes = 0}), HasSubstr("max_kv_bytes"));
}

TEST_F(GeneratorTest, NamesTheSampleWhoseLogitsAreNotFinite) {
  Start();
  Parameters broken = RandomParameters(config_, 3, DType::kF32);
  static_cast<float*>(broken.data())[16 * 7] =
      std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(policy_->Load(broken).ok());
  GroupRequest request = Request(12, 3, 2);
  request.prompt = {1, 2, 7};
  ASSERT_TRUE(generator_->Submit(request).ok());
  const auto finished = generator_->Step();
  EXPECT_EQ(finished.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(finished.status().message()),
              HasSubstr("group 12 sample 0"));
  EXPECT_THAT(std::string(finished.status().message()),
              HasSubstr("position 3"));
}

TEST_F(GeneratorTest, RefusesWeightsOfAnotherModel) {
  Start();
  EXPECT_THAT(
      std::string(
          policy_->Load(RandomParameters(config_, 1, DType::kBf16)).message()),
      HasSubstr("dtype"));
  ModelConfig other = config_;
  other.vocab_size = 31;
  EXPECT_THAT(
      std::string(
          policy_->Load(RandomParameters(other, 1, DType::kF32)).message()),
      HasSubstr("layout"));
}

}  // namespace
}  // namespace aha
