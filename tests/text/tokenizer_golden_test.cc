// Compares token ids and texts with those of Hugging Face (tests/golden).
#include <string>
#include <vector>

#include "base/text.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_files.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

using Ids = std::vector<int32_t>;

void ExpectEncodings(const Tokenizer& tokenizer,
                     const nlohmann::json& encodings) {
  ASSERT_FALSE(encodings.empty());
  for (const auto& golden : encodings) {
    const std::string text = golden["text"];
    SCOPED_TRACE(golden["text"].dump());
    const absl::StatusOr<Ids> ids = tokenizer.Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, golden["ids"].get<Ids>());
    EXPECT_EQ(tokenizer.Decode(*ids), golden["decoded"].get<std::string>());
    TextStream stream(tokenizer);
    std::string streamed;
    for (const int32_t id : *ids) {
      const std::string piece = stream.Add(id);
      EXPECT_EQ(FindMalformedUtf8(piece), std::string::npos);
      streamed += piece;
    }
    EXPECT_EQ(streamed + stream.Finish(), tokenizer.Decode(*ids));
    if (!golden.contains("with_prefix")) continue;
    const Ids want = golden["with_prefix"];
    // A text that begins with the token gets it twice from Hugging Face.
    const bool twice = want.size() > 1 && want[0] == want[1];
    EXPECT_EQ(*tokenizer.EncodePrompt(text),
              twice ? Ids(want.begin() + 1, want.end()) : want);
  }
}

class SmallTokenizerTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SmallTokenizerTest, AgreesWithHuggingFaceOnTrickyText) {
  const std::string json =
      FileText(GoldenPath(std::string("bpe/") + GetParam() + ".json"));
  const auto tokenizer = Tokenizer::Parse(json, "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ExpectEncodings(**tokenizer, Golden("bpe.json")["tokenizers"][GetParam()]);
}

INSTANTIATE_TEST_SUITE_P(PreTokenizers, SmallTokenizerTest,
                         ::testing::Values("gpt2", "prefix-space", "digits",
                                           "llama3", "previous", "removed",
                                           "qwen2", "tekken", "gemma", "llama2",
                                           "metaspace"));

TEST(CharacterTokenizerTest, AgreesWithHuggingFace) {
  const TokenizerFiles files = CharacterTokenizer();
  const auto tokenizer =
      Tokenizer::Parse(files.tokenizer_json, files.tokenizer_config_json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ExpectEncodings(**tokenizer, Golden("characters.json")["encodings"]);
}

// make_goldens.py reads the committed file, which must be the one that we
// write.
TEST(CharacterTokenizerTest, IsTheOneThatTheGoldenWasMadeWith) {
  EXPECT_EQ(CharacterTokenizer().tokenizer_json,
            FileText(GoldenPath("bpe/characters.json")));
}

TEST(SmolLm2Test, TokenizesAsHuggingFaceDoes) {
  AHA_SKIP_WITHOUT_SMOLLM2();
  const auto tokenizer = Tokenizer::Load(SmolLm2());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const nlohmann::json golden = Golden("smollm2_tokens.json");
  ExpectEncodings(**tokenizer, golden["encodings"]);
  for (const auto& text : golden["unspelled"]) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        (*tokenizer)->Encode(text.get<std::string>()).status()));
  }
}

TEST(SmolLm2Test, AppliesTheChatTemplateAsTransformersDoes) {
  AHA_SKIP_WITHOUT_SMOLLM2();
  const auto tokenizer = Tokenizer::Load(SmolLm2());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const nlohmann::json golden = Golden("smollm2_tokens.json");
  for (const auto& chat : golden["chats"]) {
    std::vector<ChatMessage> messages;
    for (const auto& message : chat["messages"]) {
      messages.push_back({message["role"], message["content"]});
    }
    const auto text = (*tokenizer)->ApplyChatTemplate(messages);
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(*text, chat["text"].get<std::string>());
    const auto ids = (*tokenizer)->Encode(*text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, chat["ids"].get<Ids>());
  }
}

}  // namespace
}  // namespace aha
