#include "text/tokenizer.h"

#include <thread>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_files.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

class CharactersTest : public ::testing::Test {
 protected:
  const TokenizerFiles files_ = CharacterTokenizer();
  const std::unique_ptr<Tokenizer> tokenizer_ =
      *Tokenizer::Parse(files_.tokenizer_json, files_.tokenizer_config_json);
};

TEST_F(CharactersTest, EveryPrintableCharacterIsOneToken) {
  EXPECT_EQ(files_.vocab_size, tokenizer_->vocab_size());
  EXPECT_THAT(*tokenizer_->Encode("<eos>"), ElementsAre(files_.eos_token_id));
  for (char c = ' '; c <= '~'; ++c) {
    const std::string text(1, c);
    const Ids ids = *tokenizer_->Encode(text);
    EXPECT_EQ(ids.size(), 1u) << text;
    EXPECT_EQ(tokenizer_->Decode(ids), text);
  }
  EXPECT_EQ(tokenizer_->Encode("\n")->size(), 1u);
}

TEST_F(CharactersTest, TagsAreOneTokenEach) {
  EXPECT_EQ(
      tokenizer_->Encode("<think>1</think><answer>1</answer><eos>")->size(),
      7u);
}

TEST_F(CharactersTest, SkippingSpecialTokensKeepsTheTags) {
  const absl::StatusOr<Ids> ids = tokenizer_->Encode("<think>1</think><eos>");
  EXPECT_EQ(tokenizer_->Decode(*ids), "<think>1</think><eos>");
  EXPECT_EQ(tokenizer_->Decode(*ids, Tokenizer::Special::kSkip),
            "<think>1</think>");
}

TEST_F(CharactersTest, NamesTheCharacterThatTheVocabularyLacks) {
  const absl::Status status = tokenizer_->Encode("12\u00e93").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"\u00e9\" at byte 2"));
}

TEST_F(CharactersTest, RefusesTextThatIsNotUtf8) {
  const absl::Status status = tokenizer_->Encode("12\xff").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("0xff at byte 2"));
}

TEST_F(CharactersTest, IdsWithoutATokenDecodeToReplacementCharacters) {
  const Ids known = *tokenizer_->Encode("1");
  for (const int32_t id : {-1, files_.vocab_size}) {
    EXPECT_EQ(tokenizer_->Decode(Ids{known[0], id, known[0]}), "1\ufffd1");
  }
}

TEST_F(CharactersTest, HasNoChatTemplate) {
  const std::vector<ChatMessage> messages = {{"user", "hi"}};
  EXPECT_TRUE(
      absl::IsUnimplemented(tokenizer_->ApplyChatTemplate(messages).status()));
}

TEST(TokenizerTest, SplitCharactersDecodeToReplacementsAndWholeOnesDoNot) {
  const auto tokenizer =
      *Tokenizer::Parse(FileText(GoldenPath("bpe/gpt2.json")), "");
  const absl::StatusOr<Ids> ids = tokenizer->Encode("\u6f22");
  ASSERT_TRUE(ids.ok());
  ASSERT_GT(ids->size(), 1u);
  EXPECT_EQ(tokenizer->Decode(*ids), "\u6f22");
  EXPECT_EQ(tokenizer->Decode(absl::MakeSpan(*ids).subspan(0, 1)), "\ufffd");
}

TEST(TokenizerTest, ManyThreadsEncodeAlike) {
  const auto tokenizer =
      *Tokenizer::Parse(FileText(GoldenPath("bpe/llama3.json")), "");
  const std::string text = FileText(GoldenPath("README.md"));
  const absl::StatusOr<Ids> expected = tokenizer->Encode(text);
  ASSERT_TRUE(expected.ok());
  std::vector<std::thread> threads;
  std::vector<Ids> results(4);
  for (Ids& result : results) {
    threads.emplace_back([&] { result = *tokenizer->Encode(text); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) EXPECT_EQ(result, *expected);
}

TEST(TokenizerTest, LongWordsMergeInReasonableTime) {
  const auto tokenizer =
      *Tokenizer::Parse(FileText(GoldenPath("bpe/gpt2.json")), "");
  std::string word;
  while (word.size() < 1'000'000) word += "thethere";
  const absl::StatusOr<Ids> ids = tokenizer->Encode(word);
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(tokenizer->Decode(*ids), word);
}

TEST(TokenizerTest, LoadNamesTheDirectoryThatIsMissing) {
  const absl::Status status = Tokenizer::Load("/nowhere/at/all").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("/nowhere/at/all/tokenizer.json"));
}

TEST(TokenizerTest, LoadTakesTheTemplateBesideTheConfiguration) {
  const TempDir scratch;
  scratch.Write("tokenizer.json", CharacterTokenizer().tokenizer_json);
  scratch.Write("chat_template.jinja",
                "{% for message in messages %}{{ '<|im_start|>' + "
                "message['role'] + '\\n' + message['content'] + "
                "'<|im_end|>' + '\\n' }}{% endfor %}"
                "{% if add_generation_prompt %}"
                "{{ '<|im_start|>assistant\\n' }}{% endif %}");
  const auto tokenizer = Tokenizer::Load(scratch / "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<ChatMessage> messages = {{"user", "hi"}};
  EXPECT_EQ(*(*tokenizer)->ApplyChatTemplate(messages),
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}

}  // namespace
}  // namespace aha
