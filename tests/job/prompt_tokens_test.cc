// Texts and conversations become what the model reads.
#include "job/prompt_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "text/tokenizer.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

constexpr char kTemplate[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}";

class PromptTokensTest : public ::testing::Test {
 protected:
  PromptTokensTest() {
    nlohmann::json config = nlohmann::json::parse(files_.tokenizer_config_json);
    plain_ = *Tokenizer::Parse(files_.tokenizer_json, config.dump());
    config["chat_template"] = kTemplate;
    chat_ = *Tokenizer::Parse(files_.tokenizer_json, config.dump());
    prompts_.set_max_prompt_length(512);
  }

  std::string Render(const PromptText& prompt) {
    const auto text = RenderPrompt(*chat_, prompts_, prompt);
    return text.ok() ? *text : std::string(text.status().message());
  }

  const TokenizerFiles files_ = CharacterTokenizer();
  std::unique_ptr<Tokenizer> plain_, chat_;
  v1::Prompts prompts_;
  const std::vector<ChatMessage> turns_ = {
      {"user", "hi"}, {"assistant", "hello"}, {"user", "1+1?"}};
};

TEST_F(PromptTokensTest, ATextGoesThroughTheTemplateOnlyIfTheFormatSaysSo) {
  EXPECT_EQ(Render({.text = "1+1?"}), "1+1?");
  prompts_.set_format("chat");
  EXPECT_EQ(Render({.text = "1+1?"}),
            "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(PromptTokensTest, AConversationAlwaysGoesThroughTheTemplate) {
  EXPECT_EQ(Render({.text = "transcript", .turns = turns_}),
            "<|im_start|>user\nhi<|im_end|>\n"
            "<|im_start|>assistant\nhello<|im_end|>\n"
            "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(*PromptTokens(*chat_, prompts_, {.text = "", .turns = turns_}),
            *chat_->Encode(Render({.text = "", .turns = turns_})));
}

TEST_F(PromptTokensTest, TheRowsSystemTextComesBeforeTheJobs) {
  prompts_.set_format("chat");
  prompts_.set_system("of the job");
  EXPECT_THAT(Render({.text = "", .turns = turns_}),
              HasSubstr("<|im_start|>system\nof the job<|im_end|>\n"));
  std::vector<ChatMessage> own = turns_;
  own.insert(own.begin(), {"system", "of the row"});
  EXPECT_THAT(Render({.text = "", .turns = own}),
              HasSubstr("<|im_start|>system\nof the row<|im_end|>\n"));
  EXPECT_THAT(Render({.text = "", .turns = own}),
              ::testing::Not(HasSubstr("of the job")));
}

TEST_F(PromptTokensTest, TheOpeningIsWhatTheTemplateWritesOfTheAnswer) {
  nlohmann::json config = nlohmann::json::parse(files_.tokenizer_config_json);
  config["chat_template"] =
      "{{ messages[0].content }}{% if add_generation_prompt %}"
      "{{ '<A>' ~ ('<think>\n' if think) }}{% endif %}";
  const auto opens = *Tokenizer::Parse(files_.tokenizer_json, config.dump());
  const auto opening = [&](const PromptText& prompt) {
    return *PromptOpening(*opens, prompts_, prompt);
  };
  EXPECT_EQ(opening({.text = "1+1?"}), "");
  prompts_.set_format("chat");
  EXPECT_EQ(opening({.text = "1+1?"}), "");
  prompts_.set_chat_template_kwargs(R"({"think": true})");
  EXPECT_EQ(opening({.text = "1+1?"}), "<think>\n");
  EXPECT_EQ(*RenderPrompt(*opens, prompts_, {.text = "1+1?"}),
            "1+1?<A><think>\n");
  EXPECT_EQ(opening({.text = "", .turns = turns_}), "<think>\n");
}

TEST_F(PromptTokensTest, AModelWithoutATemplateTakesNoConversation) {
  EXPECT_EQ(PromptTokens(*plain_, prompts_, {.text = "", .turns = turns_})
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace aha
