// What an sft stage teaches of a document.
#include "learner/stages/sft_documents.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/temp_dir.h"

namespace aha::learner {
namespace {

class SftDocumentsTest : public ::testing::Test {
 protected:
  SftDocumentsTest() {
    const TokenizerFiles files = CharacterTokenizer();
    nlohmann::json json = nlohmann::json::parse(files.tokenizer_json);
    turn_end_ = files.vocab_size;
    json["added_tokens"].push_back({{"id", turn_end_},
                                    {"content", "<|im_end|>"},
                                    {"special", true},
                                    {"normalized", false}});
    nlohmann::json config = nlohmann::json::parse(files.tokenizer_config_json);
    config["chat_template"] =
        "{% for m in messages %}{{ m.content ~ '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '[A]<think>\\n' }}{% endif %}";
    setup_.tokenizer = *Tokenizer::Parse(json.dump(), config.dump());
    setup_.config.eos_token_ids = {files.eos_token_id};
    setup_.config.vocab_size = turn_end_ + 1;
    setup_.config.max_position_embeddings = 256;
    v1::Sft& sft = *job_.add_stages()->mutable_sft();
    sft.set_documents_per_step(1);
    sft.set_documents_per_micro_batch(1);
    sft.set_file(dir_ / "docs.jsonl");
  }

  // The tokens of a document with this completion, as text.
  std::string Taught(const std::string& completion) {
    const nlohmann::json line = {{"prompt", "1+1?"},
                                 {"completion", completion}};
    dir_.Write("docs.jsonl", line.dump() + "\n");
    const auto documents = SftDocuments::Create(job_, 0, setup_);
    EXPECT_TRUE(documents.ok()) << documents.status();
    const auto batch = (*documents)->MicroBatch(0, 0);
    EXPECT_TRUE(batch.ok()) << batch.status();
    return setup_.tokenizer->Decode((*batch)[0].tokens);
  }

  const TempDir dir_;
  v1::Job job_;
  ModelSetup setup_;
  int32_t turn_end_ = 0;
};

TEST_F(SftDocumentsTest, APlainDocumentEndsWithTheModelsEndToken) {
  EXPECT_EQ(Taught("2"), "1+1?2<eos>");
}

TEST_F(SftDocumentsTest, AnAnswerEndsAsTheTemplateEndsATurn) {
  job_.mutable_prompts()->set_format("chat");
  EXPECT_EQ(Taught("2"), "1+1?<|im_end|>[A]<think>\n2<|im_end|>");
}

TEST_F(SftDocumentsTest, WhatTheTemplateOpensIsNotTaughtTwice) {
  job_.mutable_prompts()->set_format("chat");
  const std::string want = "1+1?<|im_end|>[A]<think>\nadd</think>2<|im_end|>";
  EXPECT_EQ(Taught("<think>\nadd</think>2"), want);
  EXPECT_EQ(Taught("<think>add</think>2"), want);
  EXPECT_EQ(Taught("add</think>2"), want);
}

}  // namespace
}  // namespace aha::learner
