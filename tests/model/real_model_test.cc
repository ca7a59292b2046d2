// Real models against what transformers makes of the same GGUF files after
// dequantizing them (tests/golden/real): tokens of difficult strings, greedy
// completions, and log-probabilities in fp32. `make models` fetches the models;
// without them these tests are skipped.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/backprop.h"
#include "model/generator.h"
#include "model/policy.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

using Ids = std::vector<int32_t>;

struct RealModel {
  const char* directory;  // In models/.
  const char* golden;     // In tests/golden/real.
};

void PrintTo(const RealModel& model, std::ostream* out) {
  *out << model.directory;
}

class RealModelTest : public testing::TestWithParam<RealModel> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(directory_)) {
      GTEST_SKIP() << "NOT COMPARED with the real model: " << directory_
                   << " is missing (`make models`)";
    }
    golden_ = Golden(absl::StrCat("real/", GetParam().golden));
  }

  // In fp32.
  void LoadPolicy() {
    const auto config = ModelConfig::Load(directory_);
    ASSERT_TRUE(config.ok()) << config.status();
    const auto parameters = ReadSafetensors(directory_, *config, DType::kF32);
    ASSERT_TRUE(parameters.ok()) << parameters.status();
    auto policy = Policy::Create(*config, DType::kF32, ops::CpuContext{&pool_},
                                 PolicyUse::kSampling);
    ASSERT_TRUE(policy.ok()) << policy.status();
    policy_ = *std::move(policy);
    ASSERT_TRUE(policy_->Load(*parameters).ok());
  }

  const std::string directory_ =
      absl::StrCat(AHA_SOURCE_DIR "/models/", GetParam().directory);
  nlohmann::json golden_;
  ThreadPool pool_{2};
  std::unique_ptr<Policy> policy_;
};

INSTANTIATE_TEST_SUITE_P(
    Models, RealModelTest,
    testing::Values(RealModel{"Qwen2.5-Coder-0.5B-Instruct",
                              "qwen2.5-coder-0.5b-instruct-q4.json"},
                    RealModel{"gemma-3-270m", "gemma-3-270m-q4.json"}),
    [](const auto& info) {
      return std::string(info.index == 0 ? "Qwen" : "Gemma");
    });

TEST_P(RealModelTest, TokensOfDifficultStringsAreTransformers) {
  const auto tokenizer = Tokenizer::Load(directory_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_EQ(golden_["strings"].size(), 40u);
  for (const auto& golden : golden_["strings"]) {
    const std::string text = golden["text"];
    const auto ids = (*tokenizer)->Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, golden["ids"].get<Ids>()) << golden["text"];
    const auto prompt = (*tokenizer)->EncodePrompt(text);
    ASSERT_TRUE(prompt.ok()) << prompt.status();
    // A text that begins with the token gets it twice from transformers.
    Ids want = golden["ids_with_special"];
    if (want.size() > 1 && want[0] == want[1] && want != *ids) {
      want.erase(want.begin());
    }
    EXPECT_EQ(*prompt, want) << golden["text"];
  }
}

TEST_P(RealModelTest, Fp32LogProbabilitiesAreTransformersWithin2Thousandths) {
  LoadPolicy();
  const auto backprop = Backprop::Create(policy_.get());
  ASSERT_TRUE(backprop.ok()) << backprop.status();
  double largest = 0;
  for (const auto& prompt : golden_["prompts"]) {
    Ids tokens = prompt["prompt_ids"];
    const Ids greedy = prompt["greedy_ids"];
    tokens.insert(tokens.end(), greedy.begin(), greedy.end());
    const std::vector<double> want = prompt["logprobs"];
    const auto got = (*backprop)->LogProbs({{{tokens, 1}}}, 1.0f);
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::fabs((*got)[i] - want[i]));
    }
  }
  RecordProperty("largest_difference", absl::StrCat(largest));
  EXPECT_LT(largest, 2e-3);
}

TEST_P(RealModelTest, GreedyTokensAreTransformers) {
  LoadPolicy();
  for (const auto& prompt : golden_["prompts"]) {
    const Ids want = prompt["greedy_ids"];
    auto generator = Generator::Create(policy_.get(), {});
    ASSERT_TRUE(generator.ok()) << generator.status();
    GroupRequest request;
    request.prompt = prompt["prompt_ids"].get<Ids>();
    request.num_samples = 1;
    request.sampling = {.temperature = 0,
                        .max_new_tokens = static_cast<int32_t>(want.size())};
    ASSERT_TRUE((*generator)->Submit(std::move(request)).ok());
    Ids got;
    while (!(*generator)->idle()) {
      const auto finished = (*generator)->Step();
      ASSERT_TRUE(finished.ok()) << finished.status();
      for (const Sample& sample : *finished) got = sample.tokens;
    }
    EXPECT_EQ(got, want) << prompt["text"];
  }
}

}  // namespace
}  // namespace aha
