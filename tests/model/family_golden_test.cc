// Small models of all families, with the traits that a family may have, against
// Hugging Face's transformers: logits, log-probabilities and the gradients of a
// GRPO loss (tests/golden).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/backprop.h"
#include "model/policy.h"
#include "rl/losses.h"
#include "tests/golden/golden_files.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

class FamilyGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto config = ModelConfig::Load(directory_);
    ASSERT_TRUE(config.ok()) << config.status();
    auto parameters = ReadSafetensors(directory_, *config, DType::kF32);
    ASSERT_TRUE(parameters.ok()) << parameters.status();
    parameters_ = std::make_unique<Parameters>(*std::move(parameters));
    auto policy = Policy::Create(*config, DType::kF32, ops::CpuContext{&pool_});
    ASSERT_TRUE(policy.ok()) << policy.status();
    policy_ = *std::move(policy);
    ASSERT_TRUE(policy_->Load(*parameters_).ok());
    auto backprop = Backprop::Create(policy_.get());
    ASSERT_TRUE(backprop.ok()) << backprop.status();
    backprop_ = *std::move(backprop);
  }

  std::vector<float> LogProbs(const std::vector<TrainSequence>& sequences) {
    const auto logprobs = backprop_->LogProbs(sequences, 1.0f);
    EXPECT_TRUE(logprobs.ok()) << logprobs.status();
    return logprobs.value_or(std::vector<float>());
  }

  struct Differences {
    double largest = 0;
    double mean = 0;
  };
  // How much ln p differs from the golden's, over all sequences.
  Differences Compare(const nlohmann::json& sequences) {
    Differences differences;
    double count = 0;
    for (const auto& golden : sequences) {
      const std::vector<double> want = golden["logprobs"];
      const std::vector<float> got =
          LogProbs({{golden["token_ids"].get<std::vector<int32_t>>(), 1}});
      EXPECT_EQ(got.size(), want.size());
      for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
        const double difference = std::fabs(got[i] - want[i]);
        differences.largest = std::max(differences.largest, difference);
        differences.mean += difference;
        ++count;
      }
    }
    differences.mean /= count;
    return differences;
  }
  double LargestDifference(const nlohmann::json& sequences) {
    return Compare(sequences).largest;
  }

  // A name of tests/golden.
  std::string Name() const {
    std::string name = std::string("tiny_") + GetParam() + ".json";
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
  }

  const std::string directory_ = GoldenPath(std::string("tiny-") + GetParam());
  ThreadPool pool_{2};
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Backprop> backprop_;
};

INSTANTIATE_TEST_SUITE_P(Families, FamilyGoldenTest,
                         testing::Values("gemma3_text", "llama3", "mistral",
                                         "mixtral", "qwen2", "qwen2-window",
                                         "qwen3", "qwen3_moe",
                                         "qwen3_moe-mixed"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Both sides compute in fp32, in different orders.
TEST_P(FamilyGoldenTest, Fp32LogProbabilitiesAreTransformers) {
  const double difference = LargestDifference(Golden(Name())["sequences"]);
  RecordProperty("largest_difference", std::to_string(difference));
  EXPECT_LT(difference, 1e-4);
}

TEST_P(FamilyGoldenTest, AChangedTokenIsNoticed) {
  auto golden = Golden(Name());
  auto& tokens = golden["sequences"][3]["token_ids"];
  tokens[38] = (tokens[38].get<int>() + 1) % 50;
  EXPECT_GT(LargestDifference(golden["sequences"]), 1e-3);
}

// The log-probabilities of every token after a prefix are the logits of one row
// less a constant; the golden's logits are brought to the same form.
TEST_P(FamilyGoldenTest, Fp32LogitsAreTransformers) {
  const auto golden = Golden(Name())["sequences"][2];
  const std::vector<int32_t> tokens = golden["token_ids"];
  const std::vector<double> logits = golden["logits"];
  const size_t vocab = static_cast<size_t>(policy_->config().vocab_size);
  ASSERT_EQ(logits.size(), tokens.size() * vocab);
  for (size_t row = 0; row < tokens.size(); ++row) {
    std::vector<TrainSequence> next;
    for (size_t token = 0; token < vocab; ++token) {
      TrainSequence sequence;
      sequence.prompt_length = static_cast<int64_t>(row) + 1;
      sequence.tokens.assign(tokens.begin(),
                             tokens.begin() + sequence.prompt_length);
      sequence.tokens.push_back(static_cast<int32_t>(token));
      next.push_back(std::move(sequence));
    }
    const std::vector<float> got = LogProbs(next);
    ASSERT_EQ(got.size(), vocab);
    const double* want = &logits[row * vocab];
    double sum = 0;
    for (size_t token = 0; token < vocab; ++token) sum += std::exp(want[token]);
    for (size_t token = 0; token < vocab; ++token) {
      ASSERT_NEAR(got[token], want[token] - std::log(sum), 1e-4)
          << "row " << row << " token " << token;
    }
  }
}

// The weights are exact in bf16; activations are rounded to 8 bits. In a sparse
// model this changes the experts of a row where two logits are that near, and
// then all that follows, in transformers as here; so there the mean is bounded.
TEST_P(FamilyGoldenTest, Bf16LogProbabilitiesAreNear) {
  const auto narrow =
      ReadSafetensors(directory_, policy_->config(), DType::kBf16);
  ASSERT_TRUE(narrow.ok()) << narrow.status();
  auto policy =
      Policy::Create(policy_->config(), DType::kBf16, ops::CpuContext{&pool_});
  ASSERT_TRUE(policy.ok()) << policy.status();
  ASSERT_TRUE((*policy)->Load(*narrow).ok());
  backprop_ = *Backprop::Create(policy->get());
  const Differences differences = Compare(Golden(Name())["sequences"]);
  RecordProperty("largest_difference", std::to_string(differences.largest));
  RecordProperty("mean_difference", std::to_string(differences.mean));
  EXPECT_LT(differences.mean, 0.05);
  if (policy_->config().sparse_layers.empty()) {
    EXPECT_LT(differences.largest, 0.3);
  }
  backprop_.reset();  // Before its policy.
}

double Norm(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
  return std::sqrt(sum);
}

// The loss of the golden, by Aha's own functions.
class GoldenGrpo {
 public:
  explicit GoldenGrpo(const nlohmann::json& golden) : golden_(golden) {
    options_.epsilon = golden["epsilon"];
    options_.beta = golden["beta"];
    for (const auto& completion : golden["completions"]) {
      const std::vector<int32_t> tokens = completion["tokens"];
      TrainSequence sequence{completion["prompt"], 0};
      sequence.prompt_length = static_cast<int64_t>(sequence.tokens.size());
      sequence.tokens.insert(sequence.tokens.end(), tokens.begin(),
                             tokens.end());
      sequences_.push_back(std::move(sequence));
    }
  }

  const std::vector<TrainSequence>& sequences() const { return sequences_; }
  double loss() const { return sums_.loss / completions(); }

  absl::Status Loss(const TargetScores& scores, absl::Span<float> dloss) {
    size_t at = 0;
    for (const auto& completion : golden_["completions"]) {
      const std::vector<float> old = completion["old_logprobs"];
      const std::vector<float> ref = completion["ref_logprobs"];
      const absl::Status status =
          SequenceLoss(options_,
                       {.logprobs = scores.logprobs.subspan(at, old.size()),
                        .old_logprobs = old,
                        .ref_logprobs = ref,
                        .advantage = completion["advantage"]},
                       dloss.subspan(at, old.size()), &sums_);
      if (!status.ok()) return status;
      at += old.size();
    }
    for (float& d : dloss) d /= static_cast<float>(completions());
    return absl::OkStatus();
  }

 private:
  double completions() const {
    return static_cast<double>(golden_["completions"].size());
  }

  const nlohmann::json golden_;
  LossOptions options_;
  std::vector<TrainSequence> sequences_;
  LossSums sums_;
};

TEST_P(FamilyGoldenTest, GradientsOfAGrpoLossAreAutogradsWithinATenThousandth) {
  const auto golden = Golden(Name())["grpo"];
  GoldenGrpo grpo(golden);
  GradientSum sum(parameters_->shared_layout());
  const absl::Status status = backprop_->Accumulate(
      grpo.sequences(), golden["temperature"],
      [&](const TargetScores& scores, absl::Span<float> dloss) {
        return grpo.Loss(scores, dloss);
      },
      &sum);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_NEAR(grpo.loss(), golden["loss"].get<double>(), 1e-5);

  const auto want = ReadSafetensors(directory_ + "/grpo_gradients.safetensors",
                                    policy_->config(), DType::kF32);
  ASSERT_TRUE(want.ok()) << want.status();
  for (const TensorInfo& info : want->layout().tensors()) {
    const float* wanted = static_cast<const float*>(want->tensor(info));
    std::vector<float> difference;
    for (int64_t i = 0; i < info.count; ++i) {
      const double got = static_cast<double>(
                             sum.sums()[static_cast<size_t>(info.offset + i)]) /
                         GradientSum::kScale;
      difference.push_back(static_cast<float>(got - wanted[i]));
    }
    const double norm = Norm(wanted, info.count);
    EXPECT_GT(norm, 1e-3) << info.name;
    EXPECT_LT(Norm(difference.data(), info.count), 1e-4 * norm) << info.name;
  }
}

// transformers 5 holds all experts of a layer in one tensor, and writes that if
// it is asked to.
TEST_P(FamilyGoldenTest, ExpertsInOneTensorAreReadAsTheSameBytes) {
  if (policy_->config().sparse_layers.empty()) {
    GTEST_SKIP() << "this model has no experts";
  }
  const std::string path = directory_ + "/packed.safetensors";
  const auto packed = ReadSafetensors(path, policy_->config(), DType::kF32);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(std::memcmp(packed->data(), parameters_->data(),
                        static_cast<size_t>(parameters_->bytes())),
            0);
  EXPECT_TRUE(CheckSafetensors(path, policy_->config()).ok());
  // Another number of experts is noticed.
  ModelConfig other = policy_->config();
  ++other.num_experts;
  EXPECT_THAT(
      std::string(ReadSafetensors(path, other, DType::kF32).status().message()),
      ::testing::HasSubstr("according to config.json"));
}

TEST_P(FamilyGoldenTest, WhatIsWrittenIsReadBackAsTheSameBytes) {
  const TempDir scratch;
  ASSERT_TRUE(
      WriteSafetensors(*parameters_, scratch / "model.safetensors").ok());
  scratch.Write("config.json", policy_->config().ToJson());
  const auto config = ModelConfig::Load(scratch.path());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->ToJson(), policy_->config().ToJson());
  const auto again = ReadSafetensors(scratch.path(), *config, DType::kF32);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(std::memcmp(again->data(), parameters_->data(),
                        static_cast<size_t>(parameters_->bytes())),
            0);
}

}  // namespace
}  // namespace aha
