#include "model/backprop.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/layer_tape.h"
#include "model/training_batch.h"
#include "ops/adamw.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

// Three sequences, one longer than a KV block, one without targets between.
std::vector<TrainSequence> Sequences(int64_t vocab) {
  return {{RandomTokens(1, 9, vocab), 3},
          {RandomTokens(2, 5, vocab), 5},
          {RandomTokens(3, 45, vocab), 30},
          {RandomTokens(4, 2, vocab), 1}};
}

// L = sum_i c_i logprob_i with fixed c.
float Coefficient(size_t i) { return i % 3 == 0 ? -0.5f : 0.25f + 0.1f * i; }

absl::Status LinearLoss(const TargetScores& scores, absl::Span<float> dloss) {
  EXPECT_EQ(scores.logprobs.size(), dloss.size());
  EXPECT_EQ(scores.entropies.size(), dloss.size());
  for (size_t i = 0; i < dloss.size(); ++i) {
    EXPECT_EQ(dloss[i], 0);
    dloss[i] = Coefficient(i);
  }
  return absl::OkStatus();
}

GradientSum Gradient(const Parameters& parameters, const ModelConfig& config,
                     const std::vector<TrainSequence>& sequences,
                     float temperature, const LossFunction& loss = LinearLoss) {
  ThreadPool pool(2);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  GradientSum sum(parameters.shared_layout());
  const absl::Status status =
      (*backprop)->Accumulate(sequences, temperature, loss, &sum);
  EXPECT_TRUE(status.ok()) << status;
  return sum;
}

double At(const GradientSum& sum, int64_t index) {
  return static_cast<double>(sum.sums()[static_cast<size_t>(index)]) /
         GradientSum::kScale;
}

struct GradientCase {
  bool tied;
  float temperature;
};

class GradientTest : public testing::TestWithParam<GradientCase> {};

// The derivative by central differences through LogProbs, for some elements of
// every tensor.
TEST_P(GradientTest, AgreesWithFiniteDifferences) {
  ModelConfig config = TinyConfig();
  config.tie_word_embeddings = GetParam().tied;
  Parameters parameters = RandomParameters(config, 3, DType::kF32);
  // Gains other than 1, so that forgetting one shows.
  float* data = static_cast<float*>(parameters.data());
  for (const TensorInfo& info : parameters.layout().tensors()) {
    if (info.decays) continue;
    for (int64_t i = 0; i < info.count; ++i) {
      data[info.offset + i] = 0.8f + 0.03f * static_cast<float>(i);
    }
  }
  const auto sequences = Sequences(config.vocab_size);
  const GradientSum sum =
      Gradient(parameters, config, sequences, GetParam().temperature);

  ThreadPool pool(1);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  const auto objective = [&] {
    EXPECT_TRUE(policy->Load(parameters).ok());
    const auto logprobs =
        (*backprop)->LogProbs(sequences, GetParam().temperature);
    double loss = 0;
    for (size_t i = 0; i < logprobs->size(); ++i) {
      loss += double{Coefficient(i)} * (*logprobs)[i];
    }
    return loss;
  };
  double largest = 0;
  for (const TensorInfo& info : parameters.layout().tensors()) {
    for (int64_t probe = 0; probe < 7; ++probe) {
      const int64_t index = info.offset + (info.count - 1) * probe / 6;
      const float saved = data[index];
      const float step = 4e-3f;
      data[index] = saved + step;
      const double up = objective();
      data[index] = saved - step;
      const double down = objective();
      data[index] = saved;
      const double want = (up - down) / (2 * double{step});
      const double got = At(sum, index);
      largest = std::max(largest, std::fabs(want));
      EXPECT_NEAR(got, want, 4e-3 + 1e-2 * std::fabs(want))
          << info.name << " " << index - info.offset;
    }
  }
  EXPECT_GT(largest, 1);
}

INSTANTIATE_TEST_SUITE_P(Models, GradientTest,
                         testing::Values(GradientCase{true, 1},
                                         GradientCase{false, 1},
                                         GradientCase{true, 0.6f}),
                         [](const auto& info) {
                           return absl::StrCat(
                               info.param.tied ? "Tied" : "Untied",
                               info.param.temperature < 1 ? "Cold" : "");
                         });

double Cosine(const GradientSum& a, const GradientSum& b,
              const TensorInfo& info) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = info.offset; i < info.offset + info.count; ++i) {
    ab += At(a, i) * At(b, i);
    aa += At(a, i) * At(a, i);
    bb += At(b, i) * At(b, i);
  }
  return ab / std::sqrt(aa * bb);
}

TEST(BackpropTest, Bf16GradientsPointWhereFp32OnesDo) {
  ModelConfig config = TinyConfig();
  config.hidden_size = 64;
  config.head_dim = 16;
  config.intermediate_size = 96;
  config.initializer_range = 0.1;
  const Parameters narrow = RandomParameters(config, 3, DType::kBf16);
  Parameters wide(narrow.shared_layout(), DType::kF32);
  for (int64_t i = 0; i < narrow.layout().count(); ++i) {
    static_cast<float*>(wide.data())[i] =
        ToFloat(static_cast<const Bf16*>(narrow.data())[i]);
  }
  const auto sequences = Sequences(config.vocab_size);
  const GradientSum a = Gradient(narrow, config, sequences, 1);
  const GradientSum b = Gradient(wide, config, sequences, 1);
  for (const TensorInfo& info : narrow.layout().tensors()) {
    EXPECT_GT(Cosine(a, b, info), 0.99) << info.name;
  }
}

TEST(BackpropTest, RunningLayersAgainGivesTheSameBits) {
  const ModelConfig config = TinyConfig();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Parameters parameters = RandomParameters(config, 3, dtype);
    ThreadPool pool(2);
    const auto policy = MakePolicy(parameters, config, &pool);
    const auto sequences = Sequences(config.vocab_size);
    const TrainingBatch batch = MakeTrainingBatch(sequences);
    auto cache = KvCache::Create(config, dtype,
                                 static_cast<int64_t>(batch.blocks.size()));
    const RowBatch rows = {.tokens = batch.tokens,
                           .positions = batch.positions,
                           .sequences = batch.sequences,
                           .cache = &*cache};
    std::vector<std::vector<int64_t>> results;
    std::vector<std::vector<float>> gradients;
    for (const int64_t kept : {LayerTape::kMaxKeptBytes, int64_t{1}}) {
      LayerTape tape(&policy->transformer(), kept);
      GradientSum sum(parameters.shared_layout());
      const float* x = tape.Forward(rows);
      std::vector<float> dx(x, x + batch.rows() * config.hidden_size);
      ASSERT_TRUE(tape.Backward(rows, dx.data(), &sum).ok());
      results.emplace_back(sum.sums().begin(), sum.sums().end());
      gradients.push_back(dx);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(gradients[0], gradients[1]);
  }
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

// Bit for bit the gradient of the others alone.
TEST(BackpropTest, SkipsSequencesWithoutDerivatives) {
  const ModelConfig config = TinyConfig();
  const int64_t length = 23;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Parameters parameters = RandomParameters(config, 3, dtype);
    for (int skipped = 1; skipped < 31; ++skipped) {
      std::vector<TrainSequence> all, live;
      std::vector<float> all_losses, live_losses;
      for (int s = 0; s < 5; ++s) {
        const bool skip = (skipped >> s & 1) != 0;
        TrainSequence sequence{
            RandomTokens(static_cast<uint64_t>(s), length + s, 30), 4 + 3 * s};
        for (int64_t t = sequence.prompt_length; t < length + s; ++t) {
          all_losses.push_back(skip ? 0 : 0.1f * static_cast<float>(t - 8 * s));
          if (!skip) live_losses.push_back(all_losses.back());
        }
        all.push_back(sequence);
        if (!skip) live.push_back(sequence);
      }
      const auto loss = [](const std::vector<float>& losses) {
        return [&losses](const TargetScores&, absl::Span<float> dloss) {
          EXPECT_EQ(dloss.size(), losses.size());
          std::copy(losses.begin(), losses.end(), dloss.begin());
          return absl::OkStatus();
        };
      };
      const GradientSum a =
          Gradient(parameters, config, all, 1, loss(all_losses));
      const GradientSum b =
          Gradient(parameters, config, live, 1, loss(live_losses));
      ASSERT_EQ(a.sums(), b.sums()) << skipped;
    }
  }
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

class OverfitTest : public testing::TestWithParam<DType> {};

// A plain loop of Accumulate and AdamW learns a micro-batch by heart.
TEST_P(OverfitTest, LearnsOneMicroBatchByHeart) {
  ModelConfig config = TinyConfig();
  config.initializer_range = 0.1;
  Parameters weights = RandomParameters(config, 3, GetParam());
  const Parameters start = RandomParameters(config, 3, DType::kF32);
  const int64_t count = weights.layout().count();
  std::vector<float> master(static_cast<const float*>(start.data()),
                            static_cast<const float*>(start.data()) + count);
  std::vector<float> m(master.size()), v(master.size());
  ThreadPool pool(2);
  const auto policy = MakePolicy(weights, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  const auto sequences = Sequences(config.vocab_size);
  double first = 0, last = 0;
  for (int64_t step = 1; step <= 120; ++step) {
    GradientSum sum(weights.shared_layout());
    double loss = 0;
    const absl::Status status = (*backprop)->Accumulate(
        sequences, 1,
        [&](const TargetScores& scores, absl::Span<float> dloss) {
          const float weight = -1.0f / static_cast<float>(dloss.size());
          for (size_t i = 0; i < dloss.size(); ++i) {
            loss += double{weight} * scores.logprobs[i];
            dloss[i] = weight;
          }
          return absl::OkStatus();
        },
        &sum);
    ASSERT_TRUE(status.ok()) << status;
    if (step == 1) first = loss;
    last = loss;
    ops::AdamW({&pool}, {.sums = sum.sums().data(),
                         .gradient_scale = 1 / GradientSum::kScale,
                         .master = master.data(),
                         .m = m.data(),
                         .v = v.data(),
                         .weights = weights.data(),
                         .count = count,
                         .dtype = GetParam(),
                         .learning_rate = 0.01,
                         .beta1 = 0.9,
                         .beta2 = 0.95,
                         .epsilon = 1e-8,
                         .weight_decay = 0,
                         .t = step});
    ASSERT_TRUE(policy->Load(weights).ok());
  }
  EXPECT_GT(first, 2.5);
  EXPECT_LT(last, 0.1);
}

INSTANTIATE_TEST_SUITE_P(DTypes, OverfitTest,
                         testing::Values(DType::kF32, DType::kBf16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

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

TEST(BackpropTest, PassesOnWhatTheLossSays) {
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

TEST(BackpropTest, ALeanPolicyHasTheSameBits) {
  for (const bool tied : {true, false}) {
    ModelConfig config = TinyConfig();
    config.tie_word_embeddings = tied;
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const Parameters first = RandomParameters(config, 3, dtype);
      const Parameters second = RandomParameters(config, 4, dtype);
      ThreadPool pool(2);
      auto lean =
          Policy::Create(config, dtype, &pool, PolicyUse::kLeanTraining);
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

TEST(BackpropTest, ASamplingPolicyScoresButDoesNotLearn) {
  const ModelConfig config = TinyConfig();
  const Parameters parameters = RandomParameters(config, 3, DType::kF32);
  ThreadPool pool(1);
  const auto training = MakePolicy(parameters, config, &pool);
  auto sampling =
      Policy::Create(config, DType::kF32, &pool, PolicyUse::kSampling);
  ASSERT_TRUE(sampling.ok());
  ASSERT_TRUE((*sampling)->Load(parameters).ok());
  const auto sequences = Sequences(config.vocab_size);
  const auto a = Backprop::Create(training.get());
  const auto b = Backprop::Create(sampling->get());
  EXPECT_EQ(*(*a)->LogProbs(sequences, 1), *(*b)->LogProbs(sequences, 1));
  GradientSum sum(parameters.shared_layout());
  EXPECT_EQ((*b)->Accumulate(sequences, 1, LinearLoss, &sum).code(),
            absl::StatusCode::kFailedPrecondition);
  // Once more from a buffer that is given back part by part.
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

// Before Load every weight is zero, so every token is as likely.
TEST(BackpropTest, WithoutWeightsAllTokensAreAlike) {
  const ModelConfig config = TinyConfig();
  ThreadPool pool(1);
  auto policy = Policy::Create(config, DType::kF32, &pool);
  const auto backprop = Backprop::Create(policy->get());
  const auto logprobs = (*backprop)->LogProbs(Sequences(config.vocab_size), 1);
  ASSERT_TRUE(logprobs.ok());
  for (const float l : *logprobs) EXPECT_NEAR(l, -std::log(30.0), 1e-5);
}

TEST(CertifyTest, GivesEqualDigestsForAnyThreads) {
  const ModelConfig config = TinyConfig();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const auto one = Certify(config, dtype, 1);
    const auto three = Certify(config, dtype, 3);
    ASSERT_TRUE(one.ok()) << one.status();
    ASSERT_TRUE(three.ok()) << three.status();
    EXPECT_EQ(one->digest, three->digest);
    EXPECT_EQ(one->digest.size(), 32u);
    EXPECT_THAT(one->numeric_class, HasSubstr("oneDNN"));
  }
  EXPECT_NE(Certify(config, DType::kF32, 1)->digest,
            Certify(config, DType::kBf16, 1)->digest);
}

TEST(CertifyTest, TellsModelsApart) {
  ModelConfig other = TinyConfig();
  other.intermediate_size = 48;
  EXPECT_NE(Certify(TinyConfig(), DType::kF32, 1)->digest,
            Certify(other, DType::kF32, 1)->digest);
  other.hidden_size = 0;
  EXPECT_FALSE(Certify(other, DType::kF32, 1).ok());
  EXPECT_FALSE(Certify(TinyConfig(), DType::kF32, 0).ok());
}

}  // namespace
}  // namespace aha
