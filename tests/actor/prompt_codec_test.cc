#include "actor/prompt_codec.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "text/tokenizer.h"

namespace aha::actor {
namespace {

using ::testing::HasSubstr;

class PromptCodecTest : public ::testing::Test {
 protected:
  PromptCodecTest() { prompts_.set_max_prompt_length(8); }

  std::unique_ptr<PromptCodec> Codec() {
    return NewPromptCodec(tokenizer_.get(), prompts_, {files_.eos_token_id});
  }

  absl::StatusOr<std::vector<int32_t>> Encode(const std::string& id,
                                              const std::string& prompt) {
    v1::GroupContext group;
    group.set_prompt_id(id);
    group.set_prompt(prompt);
    return Codec()->Encode(group);
  }

  const TokenizerFiles files_ = CharacterTokenizer();
  const std::unique_ptr<Tokenizer> tokenizer_ =
      *Tokenizer::Parse(files_.tokenizer_json, files_.tokenizer_config_json);
  v1::Prompts prompts_;
};

TEST_F(PromptCodecTest, APlainPromptIsItsOwnTokens) {
  EXPECT_EQ(*Encode("p", "1+1="), *tokenizer_->Encode("1+1="));
}

TEST_F(PromptCodecTest, APromptThatIsTooLongIsNamedWithItsLength) {
  EXPECT_TRUE(Encode("p", "12345678").ok());
  const absl::Status status = Encode("p-9", "123456789").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("p-9"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("got 9"));
}

TEST_F(PromptCodecTest, APromptOutsideTheVocabularyIsNamed) {
  const absl::Status status = Encode("p-9", "\xc3\xa9").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("p-9"));
}

TEST_F(PromptCodecTest, AConversationNeedsAModelWithAChatTemplate) {
  v1::GroupContext group;
  group.set_prompt_id("p-9");
  v1::PromptTurn& turn = *group.add_turns();
  turn.set_role("user");
  turn.set_content("1+1=");
  const absl::Status status = Codec()->Encode(group).status();
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("p-9"));
}

TEST_F(PromptCodecTest, TheOpeningIsThatOfTheGroupsPrompt) {
  v1::GroupContext group;
  group.set_prompt_id("p-9");
  group.set_prompt("1+1=");
  EXPECT_EQ(*Codec()->Opening(group), "");
  v1::PromptTurn& turn = *group.add_turns();
  turn.set_role("user");
  turn.set_content("1+1=");
  EXPECT_THAT(std::string(Codec()->Opening(group).status().message()),
              HasSubstr("p-9"));
}

TEST_F(PromptCodecTest, TheEndTokenIsNotPartOfTheText) {
  std::vector<int32_t> tokens = *tokenizer_->Encode("<answer>2</answer>");
  EXPECT_EQ(Codec()->Decode(tokens), "<answer>2</answer>");
  tokens.push_back(files_.eos_token_id);
  EXPECT_EQ(Codec()->Decode(tokens), "<answer>2</answer>");
  EXPECT_EQ(Codec()->Decode({}), "");
}

}  // namespace
}  // namespace aha::actor
