// The gradient is the derivative of the loss, and following it learns.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/backprop.h"
#include "ops/adamw.h"
#include "tests/model/training.h"

namespace aha {
namespace {

struct GradientCase {
  std::string model_type;
  bool tied;
  float temperature;
};

void PrintTo(const GradientCase& c, std::ostream* out) {
  *out << c.model_type << (c.tied ? " tied" : " untied") << " temperature "
       << c.temperature;
}

class GradientTest : public testing::TestWithParam<GradientCase> {};

// Computes the derivative by central differences through LogProbs, for some
// elements of every tensor.
TEST_P(GradientTest, AgreesWithFiniteDifferences) {
  ModelConfig config = TinyConfigOf(GetParam().model_type);
  config.tie_word_embeddings = GetParam().tied;
  Parameters parameters = TinyParameters(config, 3, DType::kF32);
  float* data = static_cast<float*>(parameters.data());
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
  const double middle = objective();
  int64_t jumps = 0;
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
      // Where a row's choice of experts changes there is no derivative.
      if (!config.sparse_layers.empty() &&
          std::fabs(up + down - 2 * middle) > 0.02) {
        ++jumps;
        continue;
      }
      const double want = (up - down) / (2 * double{step});
      const double got = At(sum, index);
      largest = std::max(largest, std::fabs(want));
      EXPECT_NEAR(got, want, 4e-3 + 1e-2 * std::fabs(want))
          << info.name << " " << index - info.offset;
    }
  }
  EXPECT_GT(largest, 1);
  EXPECT_LE(jumps, 10);
}

INSTANTIATE_TEST_SUITE_P(Models, GradientTest,
                         testing::Values(GradientCase{"llama", true, 1},
                                         GradientCase{"llama", false, 1},
                                         GradientCase{"llama", true, 0.6f},
                                         GradientCase{"qwen2", true, 1},
                                         GradientCase{"qwen3", false, 1},
                                         GradientCase{"mistral", false, 1},
                                         GradientCase{"mixtral", false, 1},
                                         GradientCase{"qwen3_moe", false, 1},
                                         GradientCase{"gemma3_text", true, 1},
                                         GradientCase{"gemma3_text", false, 1}),
                         [](const auto& info) {
                           return absl::StrCat(
                               info.param.model_type,
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

class GradientDirectionTest : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Families, GradientDirectionTest,
                         testing::ValuesIn(kModelTypes), [](const auto& info) {
                           return std::string(info.param);
                         });

TEST_P(GradientDirectionTest, Bf16GradientsPointWhereFp32OnesDo) {
  ModelConfig config = TinyConfigOf(GetParam());
  config.hidden_size = 64;
  config.head_dim = 16;
  config.intermediate_size = 96;
  config.initializer_range = 0.1;
  // A row whose choice of experts bf16 changes has another gradient. Here every
  // row has every expert.
  config.num_experts_per_tok = config.num_experts;
  const Parameters narrow = TinyParameters(config, 3, DType::kBf16);
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

class OverfitTest : public testing::TestWithParam<DType> {};

// A plain loop of Accumulate and AdamW overfits one micro-batch.
TEST_P(OverfitTest, OverfitsOneMicroBatch) {
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

}  // namespace
}  // namespace aha
