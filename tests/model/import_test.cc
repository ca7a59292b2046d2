#include "model/formats/import.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_files.h"
#include "tests/model/gguf_writer.h"
#include "tests/temp_dir.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kHidden = 8;
constexpr int64_t kInner = 12;
constexpr int64_t kHeads = 2;  // Each head has 4 numbers.
constexpr int64_t kVocab = 6;

// Each number encodes its row, its column and its tensor.
std::vector<float> Numbered(int64_t rows, int64_t cols, float tensor) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      values.push_back(tensor + static_cast<float>(r) +
                       static_cast<float>(c) / 16);
    }
  }
  return values;
}

GgufWriter Metadata() {
  GgufWriter writer;
  writer.Text("general.architecture", "llama")
      .U32("llama.block_count", 1)
      .U32("llama.context_length", 32)
      .U32("llama.embedding_length", kHidden)
      .U32("llama.feed_forward_length", kInner)
      .U32("llama.attention.head_count", kHeads)
      .U32("llama.attention.head_count_kv", 1)
      .U32("llama.rope.dimension_count", 4)
      .F32("llama.rope.freq_base", 10000)
      .F32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .Text("tokenizer.ggml.model", "gpt2")
      .Text("tokenizer.ggml.pre", "smollm")
      .Texts("tokenizer.ggml.tokens",
             {"<|im_end|>", "a", "b", "ab", "\u0120", "1"})
      .I32s("tokenizer.ggml.token_type", {3, 1, 1, 1, 1, 1})
      .Texts("tokenizer.ggml.merges", {"a b"})
      .U32("tokenizer.ggml.bos_token_id", 0)
      .U32("tokenizer.ggml.eos_token_id", 0);
  return writer;
}

void AddMatrix(const std::string& name, int64_t rows, int64_t cols,
               float number, GgufWriter* writer) {
  writer->Floats(name,
                 {static_cast<uint64_t>(cols), static_cast<uint64_t>(rows)},
                 Numbered(rows, cols, number));
}

GgufWriter WithTensors(GgufWriter writer) {
  AddMatrix("token_embd.weight", kVocab, kHidden, 100, &writer);
  writer.Floats("output_norm.weight", {kHidden}, Numbered(1, kHidden, 200));
  writer.Floats("blk.0.attn_norm.weight", {kHidden}, Numbered(1, kHidden, 300));
  writer.Floats("blk.0.ffn_norm.weight", {kHidden}, Numbered(1, kHidden, 400));
  AddMatrix("blk.0.attn_q.weight", 8, kHidden, 500, &writer);
  AddMatrix("blk.0.attn_k.weight", 4, kHidden, 600, &writer);
  AddMatrix("blk.0.attn_v.weight", 4, kHidden, 700, &writer);
  AddMatrix("blk.0.attn_output.weight", kHidden, 8, 800, &writer);
  AddMatrix("blk.0.ffn_gate.weight", kInner, kHidden, 900, &writer);
  AddMatrix("blk.0.ffn_up.weight", kInner, kHidden, 1000, &writer);
  AddMatrix("blk.0.ffn_down.weight", kHidden, kInner, 1100, &writer);
  return writer;
}

// Returns the first number of each row, which encodes tensor and row in the
// file.
std::vector<float> FirstColumn(const Parameters& parameters,
                               const std::string& name) {
  const TensorInfo& info = parameters.layout().Find(name);
  const float* data = static_cast<const float*>(parameters.tensor(info));
  std::vector<float> out;
  for (int64_t r = 0; r < info.shape[0]; ++r) {
    out.push_back(data[r * info.count / info.shape[0]]);
  }
  return out;
}

class GgufImportTest : public ::testing::Test {
 protected:
  absl::StatusOr<ModelFiles> Import(const GgufWriter& writer,
                                    DType dtype = DType::kF32) {
    scratch_.Write("model.gguf", writer.Bytes());
    return ReadModel(scratch_ / "model.gguf", dtype);
  }

  const TempDir scratch_;
};

TEST_F(GgufImportTest, TakesShapeAndSpecialTokensFromTheMetadata) {
  const auto files = Import(WithTensors(Metadata()));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->config.hidden_size, kHidden);
  EXPECT_EQ(files->config.intermediate_size, kInner);
  EXPECT_EQ(files->config.num_hidden_layers, 1);
  EXPECT_EQ(files->config.num_attention_heads, kHeads);
  EXPECT_EQ(files->config.num_key_value_heads, 1);
  EXPECT_EQ(files->config.head_dim, 4);
  EXPECT_EQ(files->config.vocab_size, kVocab);
  // The value is not 9.99999975e-06.
  EXPECT_EQ(files->config.rms_norm_eps, 1e-5);
  EXPECT_TRUE(files->config.tie_word_embeddings);
  EXPECT_THAT(files->config.eos_token_ids, ElementsAre(0));
}

TEST_F(GgufImportTest, BringsTheRotatedRowsBackIntoOrder) {
  const auto files = Import(WithTensors(Metadata()));
  ASSERT_TRUE(files.ok()) << files.status();
  // In the file the halves of each head alternate: 0 2 1 3.
  EXPECT_THAT(
      FirstColumn(files->parameters, "model.layers.0.self_attn.q_proj.weight"),
      ElementsAre(500, 502, 501, 503, 504, 506, 505, 507));
  EXPECT_THAT(
      FirstColumn(files->parameters, "model.layers.0.self_attn.k_proj.weight"),
      ElementsAre(600, 602, 601, 603));
  EXPECT_THAT(
      FirstColumn(files->parameters, "model.layers.0.self_attn.v_proj.weight"),
      ElementsAre(700, 701, 702, 703));
}

TEST_F(GgufImportTest, ATokenizerMayStateThatItAddsNoToken) {
  const auto files = Import(
      WithTensors(Metadata().Bool("tokenizer.ggml.add_bos_token", false)));
  EXPECT_TRUE(files.ok()) << files.status();
}

TEST_F(GgufImportTest, ATokenizerThatAddsATokenPutsItInFrontOfPrompts) {
  const auto files = Import(
      WithTensors(Metadata().Bool("tokenizer.ggml.add_bos_token", true)));
  ASSERT_TRUE(files.ok()) << files.status();
  const auto tokenizer =
      Tokenizer::Parse(files->tokenizer_json, files->tokenizer_config_json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->EncodePrompt("ab"),
              ElementsAre(files->config.bos_token_id, 3));
  EXPECT_THAT(*(*tokenizer)->Encode("ab"), ElementsAre(3));
}

TEST_F(GgufImportTest, LinearScalingIsReadFromTheNewKeysAndTheOld) {
  auto files = Import(WithTensors(Metadata()
                                      .Text("llama.rope.scaling.type", "linear")
                                      .F32("llama.rope.scaling.factor", 4)));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->config.rope_scaling.type, RopeType::kLinear);
  EXPECT_EQ(files->config.rope_scaling.factor, 4);
  files = Import(WithTensors(Metadata().F32("llama.rope.scale_linear", 2)));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->config.rope_scaling.factor, 2);
}

TEST_F(GgufImportTest, ASeparateHeadIsNotTied) {
  GgufWriter writer = WithTensors(Metadata());
  AddMatrix("output.weight", kVocab, kHidden, 1200, &writer);
  const auto files = Import(writer);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_FALSE(files->config.tie_word_embeddings);
  EXPECT_THAT(FirstColumn(files->parameters, "lm_head.weight"),
              ElementsAre(1200, 1201, 1202, 1203, 1204, 1205));
}

TEST_F(GgufImportTest, TheTokenizerIsRebuilt) {
  const auto files = Import(WithTensors(Metadata()));
  ASSERT_TRUE(files.ok()) << files.status();
  const auto tokenizer =
      Tokenizer::Parse(files->tokenizer_json, files->tokenizer_config_json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("ab 11<|im_end|>"),
              ElementsAre(3, 4, 5, 5, 0));
}

TEST_F(GgufImportTest, RefusesModelsThatItDoesNotSupport) {
  const struct {
    GgufWriter writer;
    const char* message;
  } cases[] = {
      {GgufWriter().Text("general.architecture", "gemma"),
       "general.architecture must be one of gemma3, llama, qwen2, qwen3, got "
       "\"gemma\""},
      {WithTensors(Metadata().U32("llama.expert_count", 8)),
       "llama.expert_count must be 0, got 8: import a mixture of experts from "
       "its Hugging Face directory"},
      {WithTensors(Metadata().Text("llama.rope.scaling.type", "yarn")),
       "llama.rope.scaling.type must be \"none\" or \"linear\", got "
       "\"yarn\""},
      {WithTensors(Metadata()).Floats("rope_freqs.weight", {2}, {1, 2}),
       "rope_freqs.weight"},
      {WithTensors(Metadata())
           .Floats("blk.0.attn_q.bias", {8}, std::vector<float>(8)),
       "tensor \"blk.0.attn_q.bias\" must be one that a model of the family "
       "llama has"},
      {Metadata(), "token_embd.weight is missing"},
      {WithTensors(Metadata().Bool("tokenizer.ggml.add_eos_token", true)),
       "tokenizer.ggml.add_eos_token must be false, got true"},
  };
  for (const auto& test : cases) {
    const absl::Status status = Import(test.writer).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.message));
    EXPECT_THAT(std::string(status.message()), HasSubstr("model.gguf: "));
  }
}

// NOT_FOUND is reserved for a file that does not exist.
TEST_F(GgufImportTest, AMissingKeyIsAnErrorInTheFile) {
  const absl::Status status =
      Import(GgufWriter().Text("general.architecture", "llama")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("llama.embedding_length"));
}

TEST_F(GgufImportTest, AMissingOrMisshapenTensorIsNamed) {
  GgufWriter writer = Metadata();
  AddMatrix("token_embd.weight", kVocab, kHidden, 100, &writer);
  EXPECT_THAT(std::string(Import(writer).status().message()),
              HasSubstr("blk.0.attn_norm.weight is missing"));
  writer.Floats("blk.0.attn_norm.weight", {3}, {1, 2, 3});
  EXPECT_THAT(std::string(Import(writer).status().message()),
              HasSubstr("blk.0.attn_norm.weight must have shape [8], got [3]"));
}

TEST_F(GgufImportTest, ReadsBackWhatItWroteBitForBit) {
  const auto files = Import(WithTensors(Metadata()), DType::kBf16);
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_TRUE(WriteModel(*files, scratch_ / "out").ok());
  const auto again = ReadModel(scratch_ / "out", DType::kBf16);
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_EQ(again->parameters.bytes(), files->parameters.bytes());
  EXPECT_EQ(std::memcmp(again->parameters.data(), files->parameters.data(),
                        static_cast<size_t>(files->parameters.bytes())),
            0);
  EXPECT_EQ(again->tokenizer_json, files->tokenizer_json);
  EXPECT_EQ(again->tokenizer_config_json, files->tokenizer_config_json);
  EXPECT_EQ(again->config.ToJson(), files->config.ToJson());
}

// This holds for both kinds of file.
TEST_F(GgufImportTest, AWeightThatIsNotANumberIsRefusedWithTheNameOfItsTensor) {
  GgufWriter writer = WithTensors(Metadata());
  std::vector<float> values(kVocab * kHidden, 1);
  values[9] = std::numeric_limits<float>::quiet_NaN();
  writer.Floats("output.weight", {kHidden, kVocab}, values);
  EXPECT_THAT(std::string(Import(writer).status().message()),
              HasSubstr("tensor output.weight must be finite, got nan at 9"));

  auto files = Import(WithTensors(Metadata()));
  ASSERT_TRUE(files.ok()) << files.status();
  const TensorInfo& norm = files->parameters.layout().Find("model.norm.weight");
  StoreElement(files->parameters.data(), norm.offset + 3,
               -std::numeric_limits<float>::infinity(), DType::kF32);
  ASSERT_TRUE(WriteModel(*files, scratch_ / "out").ok());
  const absl::Status status = ReadModel(scratch_ / "out", DType::kF32).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("tensor model.norm.weight must be finite, got -inf at 3"));
}

TEST_F(GgufImportTest, NothingIsOverwritten) {
  const auto files = Import(WithTensors(Metadata()));
  ASSERT_TRUE(files.ok()) << files.status();
  std::filesystem::create_directory(scratch_ / "out");
  scratch_.Write("out/precious", "data");
  const absl::Status status = WriteModel(*files, scratch_ / "out");
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(FileText(scratch_ / "out/precious"), "data");
}

TEST_F(GgufImportTest, TheNextImportRemovesWhatAKilledOneLeft) {
  const auto files = Import(WithTensors(Metadata()));
  ASSERT_TRUE(files.ok()) << files.status();
  for (const char* name :
       {"out.partial-7", "out.partial-8", "out.partial-x", "other.partial-7"}) {
    std::filesystem::create_directory(scratch_ / name);
    scratch_.Write(std::string(name) + "/config.json", "{}");
  }
  // A live process holds this lock on its staging directory.
  const int fd = ::open((scratch_ / "out.partial-8").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  const absl::Status status = WriteModel(*files, scratch_ / "./out/");
  ::close(fd);
  ASSERT_TRUE(status.ok()) << status;
  const auto there = [&](const char* name) {
    return std::filesystem::exists(scratch_ / name);
  };
  EXPECT_FALSE(there("out.partial-7"));
  EXPECT_TRUE(there("out.partial-8"));
  EXPECT_TRUE(there("out.partial-x"));
  EXPECT_TRUE(there("other.partial-7"));
  EXPECT_TRUE(there("out/model.safetensors"));
}

TEST_F(GgufImportTest, AnAbandonedModelLeavesNothing) {
  const std::string staging =
      (scratch_ / "out.partial-") + std::to_string(::getpid());
  std::filesystem::create_directory(staging);
  std::ofstream(staging + "/config.json") << "{}";
  AbandonModel(scratch_ / "out/");
  EXPECT_FALSE(std::filesystem::exists(staging));
  AbandonModel(scratch_ / "out");  // There is nothing to abandon.
}

TEST(ImportTest, TheSourceMustExistAndBeOfAKnownKind) {
  EXPECT_TRUE(
      absl::IsNotFound(ReadModel("/nowhere/x.gguf", DType::kF32).status()));
  const TempDir scratch;
  scratch.Write("x.bin", "?");
  EXPECT_TRUE(absl::IsInvalidArgument(
      ReadModel(scratch / "x.bin", DType::kF32).status()));
}

}  // namespace
}  // namespace aha
