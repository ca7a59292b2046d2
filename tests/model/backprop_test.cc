#include "model/backprop.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/layer_tape.h"
#include "model/training_batch.h"
#include "tests/model/training.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

struct TapeResult {
  std::vector<float> x;  // The result of the forward pass for all rows.
  std::vector<float> dx;
  std::vector<int64_t> sums;
  bool operator==(const TapeResult& other) const {
    return std::memcmp(x.data(), other.x.data(), x.size() * 4) == 0 &&
           std::memcmp(dx.data(), other.dx.data(), dx.size() * 4) == 0 &&
           sums == other.sums;
  }
};

TapeResult RunTape(const Parameters& parameters, const ModelConfig& config,
                   const TrainingBatch& batch, int64_t max_kept_bytes) {
  ThreadPool pool(2);
  const auto policy = MakePolicy(parameters, config, &pool);
  auto cache = KvCache::Create(policy->transformer().kv_plane_bytes(),
                               static_cast<int64_t>(batch.blocks.size()));
  LayerTape tape(&policy->transformer(), max_kept_bytes);
  const float* x = tape.Forward(batch, &*cache);
  TapeResult result;
  for (const int64_t row : batch.distinct.of) {
    const float* at = x + row * config.hidden_size;
    result.x.insert(result.x.end(), at, at + config.hidden_size);
  }
  // This gradient differs from row to row, also where x does not.
  for (size_t i = 0; i < result.x.size(); ++i) {
    result.dx.push_back(result.x[i] + 0.001f * static_cast<float>(i % 97));
  }
  GradientSum sum(parameters.shared_layout());
  EXPECT_TRUE(tape.Backward(batch, &*cache, result.dx.data(), &sum).ok());
  result.sums.assign(sum.sums().begin(), sum.sums().end());
  return result;
}

// What holds for the model of every family.
class BackpropOfFamilyTest : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Families, BackpropOfFamilyTest,
                         testing::ValuesIn(kModelTypes), [](const auto& info) {
                           return std::string(info.param);
                         });

TEST_P(BackpropOfFamilyTest, RunningLayersAgainGivesTheSameBits) {
  const ModelConfig config = TinyConfigOf(GetParam());
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Parameters parameters = TinyParameters(config, 3, dtype);
    for (const auto& sequences :
         {Sequences(config.vocab_size), GroupSequences(config.vocab_size)}) {
      const TrainingBatch batch = MakeTrainingBatch(sequences);
      EXPECT_TRUE(
          RunTape(parameters, config, batch, LayerTape::kMaxKeptBytes) ==
          RunTape(parameters, config, batch, 1));
    }
  }
}

// Returns the same batch with every row computed separately.
TrainingBatch WithoutSharing(TrainingBatch batch) {
  TrainingBatch::Distinct& distinct = batch.distinct;
  distinct.tokens = batch.tokens;
  distinct.positions = batch.positions;
  distinct.sequences = distinct.stores = batch.sequences;
  distinct.of.resize(batch.tokens.size());
  std::iota(distinct.of.begin(), distinct.of.end(), 0);
  return batch;
}

TEST_P(BackpropOfFamilyTest, SequencesThatBeginAlikeShareRowsAndNoBitChanges) {
  const ModelConfig config = TinyConfigOf(GetParam());
  const TrainingBatch batch =
      MakeTrainingBatch(GroupSequences(config.vocab_size));
  EXPECT_EQ(batch.rows(), 49 + 44 + 57 + 49 + 46);
  EXPECT_EQ(batch.distinct_rows(), 49 + (44 - 40) + (57 - 41) + 0 + (46 - 39));
  const TrainingBatch whole = WithoutSharing(batch);
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Parameters parameters = TinyParameters(config, 3, dtype);
    for (const int64_t kept : {LayerTape::kMaxKeptBytes, int64_t{1}}) {
      EXPECT_TRUE(RunTape(parameters, config, batch, kept) ==
                  RunTape(parameters, config, whole, kept));
    }
  }
  // The comparison notices one token that differs.
  TrainingBatch other = batch;
  other.distinct.tokens[3] ^= 1;
  const Parameters parameters = RandomParameters(config, 3, DType::kBf16);
  EXPECT_FALSE(RunTape(parameters, config, other, 1) ==
               RunTape(parameters, config, whole, 1));
}

TEST(BackpropTest, MicroBatchesAddUp) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  const auto sequences = Sequences(config.vocab_size);
  const auto constant = [](const TargetScores&, absl::Span<float> dloss) {
    std::fill(dloss.begin(), dloss.end(), 0.5f);
    return absl::OkStatus();
  };
  const GradientSum whole =
      Gradient(parameters, config, sequences, 1, constant);
  ThreadPool pool(1);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  GradientSum parts(parameters.shared_layout());
  for (const TrainSequence& sequence : sequences) {
    ASSERT_TRUE(
        (*backprop)->Accumulate({&sequence, 1}, 1, constant, &parts).ok());
  }
  for (int64_t i = 0; i < parameters.layout().count(); ++i) {
    ASSERT_NEAR(At(whole, i), At(parts, i), 1e-4);
  }
}

TEST(BackpropTest, AZeroDerivativeAddsNothing) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  const GradientSum sum = Gradient(
      parameters, config, Sequences(config.vocab_size), 1,
      [](const TargetScores&, absl::Span<float>) { return absl::OkStatus(); });
  for (const int64_t s : sum.sums()) ASSERT_EQ(s, 0);
}

// Returns a loss gradient for each completion token of `sequence`, the `s`th.
std::vector<float> LossGradients(const TrainSequence& sequence, size_t s) {
  std::vector<float> losses;
  const int64_t size = static_cast<int64_t>(sequence.tokens.size());
  for (int64_t t = sequence.prompt_length; t < size; ++t) {
    losses.push_back(0.1f * static_cast<float>(t) - static_cast<float>(s));
  }
  return losses;
}

// Expects the gradient of the other sequences alone, bit for bit.
void ExpectSkipping(const ModelConfig& config,
                    const std::vector<TrainSequence>& sequences) {
  const auto loss = [](const std::vector<float>& losses) {
    return [&losses](const TargetScores&, absl::Span<float> dloss) {
      EXPECT_EQ(dloss.size(), losses.size());
      std::copy(losses.begin(), losses.end(), dloss.begin());
      return absl::OkStatus();
    };
  };
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Parameters parameters = TinyParameters(config, 3, dtype);
    for (int skipped = 1; skipped < (1 << sequences.size()) - 1; ++skipped) {
      std::vector<TrainSequence> live;
      std::vector<float> all_losses, live_losses;
      for (size_t s = 0; s < sequences.size(); ++s) {
        std::vector<float> losses = LossGradients(sequences[s], s);
        const bool skip = (skipped >> s & 1) != 0;
        if (skip) std::fill(losses.begin(), losses.end(), 0.f);
        all_losses.insert(all_losses.end(), losses.begin(), losses.end());
        if (skip) continue;
        live_losses.insert(live_losses.end(), losses.begin(), losses.end());
        live.push_back(sequences[s]);
      }
      const GradientSum a =
          Gradient(parameters, config, sequences, 1, loss(all_losses));
      const GradientSum b =
          Gradient(parameters, config, live, 1, loss(live_losses));
      ASSERT_EQ(a.sums(), b.sums()) << skipped;
    }
  }
}

TEST(BackpropTest, SkipsSequencesWithoutDerivatives) {
  std::vector<TrainSequence> sequences;
  for (int s = 0; s < 5; ++s) {
    sequences.push_back(
        {RandomTokens(static_cast<uint64_t>(s), 23 + s, 30), 4 + 3 * s});
  }
  ExpectSkipping(TinyConfig(), sequences);
}

TEST_P(BackpropOfFamilyTest, SkipsSequencesWhoseBeginningsOthersShare) {
  const ModelConfig config = TinyConfigOf(GetParam());
  ExpectSkipping(config, GroupSequences(config.vocab_size));
}

TEST(BackpropTest, EntropiesAreThoseOfTheDistribution) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  ThreadPool pool(1);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  std::vector<TrainSequence> all;
  for (int32_t token = 0; token < config.vocab_size; ++token) {
    all.push_back({{3, 4, 5, token}, 3});
  }
  const auto logprobs = (*backprop)->LogProbs(all, 1);
  double entropy = 0;
  for (const float l : *logprobs) entropy -= std::exp(double{l}) * l;
  GradientSum sum(parameters.shared_layout());
  ASSERT_TRUE((*backprop)
                  ->Accumulate(
                      {all.data(), 1}, 1,
                      [&](const TargetScores& scores, absl::Span<float>) {
                        EXPECT_NEAR(scores.entropies[0], entropy, 1e-4);
                        return absl::OkStatus();
                      },
                      &sum)
                  .ok());
}

TEST(BackpropTest, RefusesSequencesByName) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  ThreadPool pool(1);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  const auto message = [&](TrainSequence bad, float temperature = 1) {
    const std::vector<TrainSequence> both = {{{1, 2, 3}, 1}, std::move(bad)};
    GradientSum sum(parameters.shared_layout());
    const absl::Status status =
        (*backprop)->Accumulate(both, temperature, LinearLoss, &sum);
    EXPECT_EQ((*backprop)->LogProbs(both, temperature).status(), status);
    return std::string(status.message());
  };
  EXPECT_THAT(message({{}, 0}), HasSubstr("sequence 1: must have 1"));
  EXPECT_THAT(message({RandomTokens(1, 161, 30), 1}), HasSubstr("found 161"));
  EXPECT_THAT(message({{1, 2}, 3}), HasSubstr("prompt_length"));
  EXPECT_THAT(message({{1, 2}, 0}), HasSubstr("prompt_length"));
  EXPECT_THAT(message({{1, 30}, 1}), HasSubstr("below 30, found 30"));
  EXPECT_THAT(message({{1, -2}, 1}), HasSubstr("found -2"));
  EXPECT_THAT(message({{1, 2}, 1}, -1), HasSubstr("temperature"));
}

TEST(BackpropTest, RefusesTheGradientSumOfAnotherModel) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  ThreadPool pool(1);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  GradientSum sum(
      std::make_shared<const ParameterLayout>(TinyConfigOf("qwen2")));
  EXPECT_THAT(std::string((*backprop)
                              ->Accumulate(Sequences(config.vocab_size), 1,
                                           LinearLoss, &sum)
                              .message()),
              HasSubstr("sum: must have the policy's"));
}

TEST(BackpropTest, ReturnsTheErrorOfTheLoss) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  ThreadPool pool(1);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  GradientSum sum(parameters.shared_layout());
  const auto sequences = Sequences(config.vocab_size);
  EXPECT_EQ((*backprop)->Accumulate(
                sequences, 1,
                [](const TargetScores&, absl::Span<float>) {
                  return absl::DataLossError("no reward");
                },
                &sum),
            absl::DataLossError("no reward"));
  EXPECT_THAT(
      std::string((*backprop)
                      ->Accumulate(
                          sequences, 1,
                          [](const TargetScores&, absl::Span<float> dloss) {
                            dloss[4] = NAN;
                            return absl::OkStatus();
                          },
                          &sum)
                      .message()),
      HasSubstr("target 4"));
}

TEST_P(BackpropOfFamilyTest, ALeanPolicyHasTheSameBits) {
  for (const bool tied : {true, false}) {
    ModelConfig config = TinyConfigOf(GetParam());
    config.tie_word_embeddings = tied;
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const Parameters first = TinyParameters(config, 3, dtype);
      const Parameters second = TinyParameters(config, 4, dtype);
      ThreadPool pool(2);
      auto lean = Policy::Create(config, dtype, ops::CpuContext{&pool},
                                 PolicyUse::kLeanTraining);
      ASSERT_TRUE(lean.ok());
      const auto backprop = Backprop::Create(lean->get());
      const auto sequences = Sequences(config.vocab_size);
      std::vector<std::vector<int64_t>> sums;
      for (const Parameters* parameters : {&first, &second}) {
        ASSERT_TRUE((*lean)->Load(*parameters).ok());
        GradientSum sum(parameters->shared_layout());
        ASSERT_TRUE(
            (*backprop)->Accumulate(sequences, 1, LinearLoss, &sum).ok());
        const GradientSum expected =
            Gradient(*parameters, config, sequences, 1, LinearLoss);
        EXPECT_EQ(sum.sums(), expected.sums());
        const auto full = MakePolicy(*parameters, config, &pool);
        const auto scorer = Backprop::Create(full.get());
        EXPECT_EQ(*(*backprop)->LogProbs(sequences, 1),
                  *(*scorer)->LogProbs(sequences, 1));
        sums.emplace_back(sum.sums().begin(), sum.sums().end());
      }
      EXPECT_NE(sums[0], sums[1]);
    }
  }
}

TEST_P(BackpropOfFamilyTest, ASamplingPolicyScoresButDoesNotLearn) {
  const ModelConfig config = TinyConfigOf(GetParam());
  const Parameters parameters = TinyParameters(config, 3, DType::kF32);
  ThreadPool pool(1);
  const auto training = MakePolicy(parameters, config, &pool);
  auto sampling = Policy::Create(config, DType::kF32, ops::CpuContext{&pool},
                                 PolicyUse::kSampling);
  ASSERT_TRUE(sampling.ok());
  ASSERT_TRUE((*sampling)->Load(parameters).ok());
  const auto sequences = Sequences(config.vocab_size);
  const auto a = Backprop::Create(training.get());
  const auto b = Backprop::Create(sampling->get());
  EXPECT_EQ(*(*a)->LogProbs(sequences, 1), *(*b)->LogProbs(sequences, 1));
  GradientSum sum(parameters.shared_layout());
  EXPECT_EQ((*b)->Accumulate(sequences, 1, LinearLoss, &sum).code(),
            absl::StatusCode::kFailedPrecondition);
  // It is loaded again from a buffer that is released part by part.
  (*sampling)->Unload();
  Parameters copy(parameters.shared_layout(), DType::kF32);
  std::memcpy(copy.data(), parameters.data(),
              static_cast<size_t>(copy.bytes()));
  ASSERT_TRUE((*sampling)
                  ->Load(copy,
                         [&](const void* data, int64_t bytes) {
                           std::memset(const_cast<void*>(data), 0xff,
                                       static_cast<size_t>(bytes));
                         })
                  .ok());
  EXPECT_NE(std::memcmp(copy.data(), parameters.data(),
                        static_cast<size_t>(copy.bytes())),
            0);
  EXPECT_EQ(*(*a)->LogProbs(sequences, 1), *(*b)->LogProbs(sequences, 1));
}

// Before Load every weight is zero, so all tokens have the same probability.
TEST(BackpropTest, WithoutWeightsAllTokensAreEquallyLikely) {
  const ModelConfig config = TinyConfig();
  ThreadPool pool(1);
  auto policy = Policy::Create(config, DType::kF32, ops::CpuContext{&pool});
  const auto backprop = Backprop::Create(policy->get());
  const auto logprobs = (*backprop)->LogProbs(Sequences(config.vocab_size), 1);
  ASSERT_TRUE(logprobs.ok());
  for (const float l : *logprobs) EXPECT_NEAR(l, -std::log(30.0), 1e-5);
}

}  // namespace
}  // namespace aha
