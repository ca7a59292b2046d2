#include "model/parameters.h"

#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

TEST(ParametersTest, LayoutIsThatOfHuggingFace) {
  ModelConfig config = TinyConfig();
  const ParameterLayout tied(config);
  EXPECT_EQ(tied.tensors().size(), 2u + 9u * 2u);
  EXPECT_EQ(tied.tensors()[0].name, "model.embed_tokens.weight");
  EXPECT_EQ(tied.tensors().back().name, "model.norm.weight");
  const TensorInfo& k = tied.Find("model.layers.1.self_attn.k_proj.weight");
  EXPECT_EQ(k.shape, (std::vector<int64_t>{8, 16}));
  EXPECT_TRUE(k.decays);
  EXPECT_FALSE(tied.Find("model.layers.0.input_layernorm.weight").decays);
  int64_t offset = 0;
  for (const TensorInfo& tensor : tied.tensors()) {
    EXPECT_EQ(tensor.offset, offset) << tensor.name;
    offset += tensor.count;
  }
  EXPECT_EQ(tied.count(), offset);

  config.tie_word_embeddings = false;
  const ParameterLayout untied(config);
  EXPECT_EQ(untied.tensors().back().name, "lm_head.weight");
  EXPECT_EQ(untied.count(), offset + 30 * 16);
}

TEST(ParametersTest, AFamilysOwnTensorsStandBesideTheirMatrices) {
  const ParameterLayout qwen2(TinyConfigOf("qwen2"));
  EXPECT_EQ(qwen2.tensors().size(), 2u + 12u * 2u);
  const TensorInfo& q = qwen2.Find("model.layers.1.self_attn.q_proj.bias");
  const TensorInfo& k = qwen2.Find("model.layers.1.self_attn.k_proj.bias");
  const TensorInfo& v = qwen2.Find("model.layers.1.self_attn.v_proj.bias");
  EXPECT_EQ(q.shape, (std::vector<int64_t>{16}));
  EXPECT_EQ(k.shape, (std::vector<int64_t>{8}));
  EXPECT_EQ(k.offset, q.offset + 16);
  EXPECT_EQ(v.offset, k.offset + 8);
  EXPECT_FALSE(q.decays);

  const ParameterLayout qwen3(TinyConfigOf("qwen3"));
  EXPECT_EQ(qwen3.tensors().size(), 2u + 11u * 2u);
  EXPECT_EQ(qwen3.Find("model.layers.0.self_attn.q_norm.weight").shape,
            (std::vector<int64_t>{6}));
  EXPECT_EQ(qwen3.Find("model.layers.0.self_attn.o_proj.weight").shape,
            (std::vector<int64_t>{16, 24}));
}

TEST(ParametersTest, AGemmaBlockOwnsANormOfItsOutputWithStoredGainsOfZero) {
  const ModelConfig config = TinyConfigOf("gemma3_text");
  const Parameters parameters = RandomParameters(config, 1, DType::kF32);
  const ParameterLayout& layout = parameters.layout();
  EXPECT_EQ(layout.block(1, 0).back().name,
            "model.layers.1.post_attention_layernorm.weight");
  EXPECT_EQ(layout.block(1, 1).front().name,
            "model.layers.1.pre_feedforward_layernorm.weight");
  EXPECT_EQ(layout.block(1, 1).back().name,
            "model.layers.1.post_feedforward_layernorm.weight");
  for (const TensorInfo& info : layout.tensors()) {
    if (info.decays) continue;
    EXPECT_EQ(LoadElement(parameters.data(), info.offset, DType::kF32), 0)
        << info.name;
  }
}

TEST(ParametersTest, TheTensorsOfABlockAreASpan) {
  const ParameterLayout layout(TinyConfigOf("qwen2"));
  const auto attention = layout.block(1, 0);
  const auto feed_forward = layout.block(1, 1);
  EXPECT_EQ(attention.size(), 8u);
  EXPECT_EQ(attention.front().name, "model.layers.1.input_layernorm.weight");
  EXPECT_EQ(attention.back().name, "model.layers.1.self_attn.o_proj.weight");
  EXPECT_EQ(feed_forward.size(), 4u);
  EXPECT_EQ(feed_forward.back().name, "model.layers.1.mlp.down_proj.weight");
  EXPECT_EQ(&layout.head(), &layout.embedding());
}

TEST(ParametersTest, RandomBiasesAreZeroAndRandomGainsOne) {
  for (const char* model_type : {"qwen2", "qwen3"}) {
    const Parameters parameters =
        RandomParameters(TinyConfigOf(model_type), 1, DType::kF32);
    int64_t gains = 0, biases = 0;
    for (const TensorInfo& info : parameters.layout().tensors()) {
      if (info.decays) continue;
      const bool bias = absl::EndsWith(info.name, ".bias");
      (bias ? biases : gains) += info.count;
      for (int64_t i = 0; i < info.count; ++i) {
        ASSERT_EQ(LoadElement(parameters.data(), info.offset + i, DType::kF32),
                  bias ? 0 : 1)
            << info.name;
      }
    }
    EXPECT_EQ(biases, model_type == std::string("qwen2") ? 64 : 0);
    EXPECT_EQ(gains, model_type == std::string("qwen2") ? 80 : 80 + 24);
  }
}

TEST(ParametersTest, StartZeroedAndAligned) {
  const auto layout = std::make_shared<ParameterLayout>(TinyConfig());
  const Parameters parameters(layout, DType::kBf16);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(parameters.data()) % 64, 0u);
  const std::vector<char> zeros(static_cast<size_t>(parameters.bytes()));
  EXPECT_EQ(std::memcmp(parameters.data(), zeros.data(), zeros.size()), 0);
}

TEST(ParametersTest, RandomOnesAreKeyedBySeedAndShapedLikeGpt2) {
  ModelConfig config = TinyConfig();
  config.vocab_size = 3000;
  const Parameters a = RandomParameters(config, 1, DType::kF32);
  const Parameters b = RandomParameters(config, 1, DType::kF32);
  const Parameters c = RandomParameters(config, 2, DType::kF32);
  const size_t bytes = static_cast<size_t>(a.bytes());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), bytes), 0);
  EXPECT_NE(std::memcmp(a.data(), c.data(), bytes), 0);

  const auto deviation = [&](const char* name) {
    const TensorInfo& info = a.layout().Find(name);
    const float* x = static_cast<const float*>(a.tensor(info));
    double sum = 0;
    for (int64_t i = 0; i < info.count; ++i) sum += double{x[i]} * x[i];
    return std::sqrt(sum / static_cast<double>(info.count));
  };
  EXPECT_NEAR(deviation("model.embed_tokens.weight"), 0.3, 0.005);
  EXPECT_NEAR(deviation("model.layers.0.mlp.up_proj.weight"), 0.3, 0.03);
  EXPECT_NEAR(deviation("model.layers.0.mlp.down_proj.weight"), 0.15, 0.015);
  EXPECT_EQ(deviation("model.layers.1.input_layernorm.weight"), 1);
}

TEST(ParametersTest, Bf16IsTheRoundedFp32) {
  const Parameters wide = RandomParameters(TinyConfig(), 1, DType::kF32);
  const Parameters narrow = RandomParameters(TinyConfig(), 1, DType::kBf16);
  for (int64_t i = 0; i < wide.layout().count(); ++i) {
    ASSERT_EQ(static_cast<const Bf16*>(narrow.data())[i].bits,
              ToBf16(static_cast<const float*>(wide.data())[i]).bits);
  }
}

}  // namespace
}  // namespace aha
