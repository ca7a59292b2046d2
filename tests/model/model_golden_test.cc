// Compares log-probabilities with those of Hugging Face (tests/golden).
#include <cmath>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "model/backprop.h"
#include "model/generator.h"
#include "model/policy.h"
#include "tests/golden/golden_files.h"

namespace aha {
namespace {

struct Loaded {
  ThreadPool pool{1};
  std::unique_ptr<Policy> policy;
  std::unique_ptr<Backprop> backprop;
};

std::unique_ptr<Loaded> Load(const std::string& directory, DType dtype) {
  auto loaded = std::make_unique<Loaded>();
  const auto config = ModelConfig::Load(directory);
  EXPECT_TRUE(config.ok()) << config.status();
  if (!config.ok()) return nullptr;
  const auto parameters = ReadSafetensors(directory, *config, dtype);
  EXPECT_TRUE(parameters.ok()) << parameters.status();
  if (!parameters.ok()) return nullptr;
  auto policy = Policy::Create(*config, dtype, ops::CpuContext{&loaded->pool});
  EXPECT_TRUE(policy.ok()) << policy.status();
  if (!policy.ok()) return nullptr;
  loaded->policy = *std::move(policy);
  EXPECT_TRUE(loaded->policy->Load(*parameters).ok());
  auto backprop = Backprop::Create(loaded->policy.get());
  EXPECT_TRUE(backprop.ok()) << backprop.status();
  if (!backprop.ok()) return nullptr;
  loaded->backprop = *std::move(backprop);
  return loaded;
}

// Returns the largest difference of ln p from the golden value, over all
// sequences.
double LargestDifference(Backprop* backprop, const nlohmann::json& sequences) {
  double largest = 0;
  int64_t compared = 0;
  for (const auto& golden : sequences) {
    const std::vector<int32_t> tokens = golden["token_ids"];
    const std::vector<double> expected = golden["logprobs"];
    if (expected.empty()) continue;
    const TrainSequence sequence = {.tokens = tokens, .prompt_length = 1};
    const auto logprobs = backprop->LogProbs({sequence}, 1.0f);
    EXPECT_TRUE(logprobs.ok()) << logprobs.status();
    if (!logprobs.ok() || logprobs->size() != expected.size()) return INFINITY;
    for (size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::fabs((*logprobs)[i] - expected[i]));
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
  return largest;
}

// Both sides compute in fp32 but in different orders; ln p is of order 10.
TEST(TinyLlamaTest, Fp32LogProbabilitiesEqualThoseOfTransformers) {
  const auto model = Load(GoldenPath("tiny-llama"), DType::kF32);
  ASSERT_NE(model, nullptr);
  const auto golden = Golden("tiny_llama.json");
  const double difference =
      LargestDifference(model->backprop.get(), golden["sequences"]);
  RecordProperty("largest_difference", std::to_string(difference));
  EXPECT_LT(difference, 2e-5);
}

// This is the negative control: the comparison notices one changed token.
TEST(TinyLlamaTest, AChangedTokenIsNoticed) {
  const auto model = Load(GoldenPath("tiny-llama"), DType::kF32);
  ASSERT_NE(model, nullptr);
  auto golden = Golden("tiny_llama.json");
  auto& tokens = golden["sequences"][3]["token_ids"];
  tokens[5] = (tokens[5].get<int>() + 1) % 64;
  EXPECT_GT(LargestDifference(model->backprop.get(), golden["sequences"]),
            1e-3);
}

// The weights are exact in bf16; activations are rounded to 8 bits.
TEST(TinyLlamaTest, Bf16LogProbabilitiesAreNear) {
  if (NativeDType() != DType::kBf16) GTEST_SKIP() << "this CPU has no bf16";
  const auto model = Load(GoldenPath("tiny-llama"), DType::kBf16);
  ASSERT_NE(model, nullptr);
  EXPECT_LT(LargestDifference(model->backprop.get(),
                              Golden("tiny_llama.json")["sequences"]),
            0.3);
}

TEST(SmolLm2Test, Fp32LogProbabilitiesEqualThoseOfTransformers) {
  AHA_SKIP_WITHOUT_SMOLLM2();
  const auto model = Load(SmolLm2(), DType::kF32);
  ASSERT_NE(model, nullptr);
  const double difference = LargestDifference(
      model->backprop.get(), Golden("smollm2_logprobs.json")["fp32"]);
  RecordProperty("largest_difference", std::to_string(difference));
  EXPECT_LT(difference, 1e-3);
}

TEST(SmolLm2Test, GreedyAnswerEqualsThatOfTransformers) {
  AHA_SKIP_WITHOUT_SMOLLM2();
  const auto model = Load(SmolLm2(), DType::kF32);
  ASSERT_NE(model, nullptr);
  const auto golden = Golden("smollm2_logprobs.json")["greedy"];
  auto generator = Generator::Create(model->policy.get(), {});
  ASSERT_TRUE(generator.ok()) << generator.status();
  GroupRequest request;
  request.prompt = golden["prompt"].get<std::vector<int32_t>>();
  request.sampling = {
      .temperature = 0, .top_p = 1, .top_k = 0, .max_new_tokens = 24};
  ASSERT_TRUE((*generator)->Submit(request).ok());
  std::vector<int32_t> tokens;
  while (!(*generator)->idle()) {
    const auto finished = (*generator)->Step();
    ASSERT_TRUE(finished.ok()) << finished.status();
    for (const Sample& sample : *finished) tokens = sample.tokens;
  }
  EXPECT_EQ(tokens, golden["tokens"].get<std::vector<int32_t>>());
}

// Two bf16 computations differ as much from each other as either does from
// fp32.
TEST(SmolLm2Test, Bf16LogProbabilitiesAreAsNearAsTransformersOwn) {
  AHA_SKIP_WITHOUT_SMOLLM2();
  if (NativeDType() != DType::kBf16) GTEST_SKIP() << "this CPU has no bf16";
  const auto model = Load(SmolLm2(), DType::kBf16);
  ASSERT_NE(model, nullptr);
  const auto golden = Golden("smollm2_logprobs.json");
  double theirs = 0;
  for (size_t row = 0; row < golden["fp32"].size(); ++row) {
    const std::vector<double> fp32 = golden["fp32"][row]["logprobs"];
    const std::vector<double> bf16 = golden["bf16"][row]["logprobs"];
    for (size_t i = 0; i < fp32.size(); ++i) {
      theirs = std::max(theirs, std::fabs(fp32[i] - bf16[i]));
    }
  }
  const double ours = LargestDifference(model->backprop.get(), golden["fp32"]);
  RecordProperty("ours", std::to_string(ours));
  RecordProperty("transformers", std::to_string(theirs));
  EXPECT_LT(ours, 1.5 * theirs);
}

}  // namespace
}  // namespace aha
