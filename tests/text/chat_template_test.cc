#include "text/chat_template.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;

constexpr char kChatMl[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

ChatTemplate Parse(absl::string_view jinja,
                   const OrderedJson& tokens = OrderedJson()) {
  const absl::StatusOr<ChatTemplate> chat = ChatTemplate::Parse(
      jinja, tokens.is_null() ? OrderedJson::object() : tokens);
  EXPECT_TRUE(chat.ok()) << chat.status();
  return *chat;
}

const std::vector<ChatMessage> kUser = {{"user", "hi"}};

// The template of a conversation whose generation prompt is this.
std::string WithPrompt(const std::string& prompt) {
  return "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
         "{% if add_generation_prompt %}" +
         prompt + "{% endif %}";
}

std::string OpeningOf(const std::string& jinja,
                      const std::vector<ChatMessage>& messages = kUser,
                      absl::string_view variables = "") {
  const auto opening = Parse(jinja).Opening(messages, {.variables = variables});
  return opening.ok() ? *opening : std::string(opening.status().message());
}

TEST(ChatTemplateTest, AConversationEndsWithTheBeginningOfTheAnswer) {
  EXPECT_EQ(*Parse(kChatMl).Apply(kUser, {}),
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(*Parse(kChatMl).Apply(kUser, {.generation_prompt = false}),
            "<|im_start|>user\nhi<|im_end|>\n");
}

TEST(ChatTemplateTest, ATemplateSeesItsModelsTokensAndTheCallersVariables) {
  const ChatTemplate chat = Parse(
      "{{ bos_token }}{{ eos_token is defined }}{{ tools is none }}"
      "{{ documents is none }}{{ enable_thinking }}{{ later }}",
      {{"bos_token", "<s>"}});
  EXPECT_EQ(*chat.Apply(kUser, {.variables = R"({"enable_thinking": false})"}),
            "<s>FalseTrueTrueFalse");
  for (const char* bad : {"[1]", "{", "3", "\"a\""}) {
    const absl::Status status = chat.Apply(kUser, {.variables = bad}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("JSON object"));
  }
}

TEST(ChatTemplateTest, TheDateIsWhatTheCallerSaysAndNeverTheClock) {
  const ChatTemplate chat = Parse(
      "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'never' }}");
  EXPECT_EQ(*chat.Apply(kUser, {}), "never");
  EXPECT_EQ(
      *chat.Apply(kUser, {.variables = R"({"strftime_now": "2026-02-03"})"}),
      "03 Feb 2026");
  for (const char* bad :
       {R"({"strftime_now": "today"})", R"({"strftime_now": "20260203"})",
        R"({"strftime_now": "99999-01-01"})", R"({"strftime_now": 3})"}) {
    EXPECT_THAT(
        std::string(chat.Apply(kUser, {.variables = bad}).status().message()),
        AllOf(HasSubstr("strftime_now"), HasSubstr("2026-11-30")))
        << bad;
  }
}

TEST(ChatTemplateTest, WhatTheGenerationPromptOpensBelongsToTheAnswer) {
  EXPECT_EQ(OpeningOf(WithPrompt("<A><think>")), "<think>");
  EXPECT_EQ(OpeningOf(WithPrompt("{{ '<A><think>\\n' }}")), "<think>\n");
  EXPECT_EQ(OpeningOf(WithPrompt("<A><think></think>")), "<think></think>");
  EXPECT_EQ(OpeningOf(WithPrompt("<A>")), "");
  EXPECT_EQ(OpeningOf(WithPrompt("<A>{{ '<think>' if think }}"), kUser,
                      R"({"think": true})"),
            "<think>");
}

TEST(ChatTemplateTest, AThinkTagOfTheConversationIsNoOpening) {
  const std::vector<ChatMessage> tagged = {{"user", "say <think>"}};
  EXPECT_EQ(OpeningOf(WithPrompt("<A>"), tagged), "");
  EXPECT_EQ(OpeningOf(WithPrompt(""), tagged), "");
  EXPECT_EQ(OpeningOf(WithPrompt("<A><think>"), tagged), "<think>");
  // A template that takes no notice of the flag has no part of its own.
  EXPECT_EQ(OpeningOf("{{ messages[0].content }}<A><think>"), "");
}

TEST(ChatTemplateTest, AnOpeningIsFoundThoughTheOtherRenderingIsLonger) {
  const std::string jinja =
      "{{ messages[0].content }}"
      "{% if add_generation_prompt %}<think>{% else %}<eos>{% endif %}";
  EXPECT_EQ(OpeningOf(jinja), "<think>");
}

TEST(ChatTemplateTest, WhatFollowsAnAnswerIsTheEndOfItsTurn) {
  EXPECT_EQ(Parse(kChatMl).AfterAnswer(), "<|im_end|>\n");
  EXPECT_EQ(Parse("{{ messages[1].content | trim }} </s>").AfterAnswer(),
            " </s>");
  EXPECT_EQ(Parse("{{ messages[0].content }}").AfterAnswer(), "");
  EXPECT_EQ(Parse("{{ raise_exception('no') }}").AfterAnswer(), "");
}

TEST(ChatTemplateTest, ARefusalOfTheTemplateNamesLineAndReason) {
  const absl::Status status =
      Parse("\n{{ raise_exception('only ' ~ messages[0].role) }}")
          .Apply(kUser, {})
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("chat_template: line 2: "), HasSubstr("only user")));
}

TEST(ChatTemplateTest, RolesThatWouldForgeTheFormatAreRefused) {
  const ChatTemplate chat = Parse(kChatMl);
  for (const char* role : {"", "us er", "user\nx", "<|im_end|>"}) {
    const std::vector<ChatMessage> messages = {{role, "hi"}};
    EXPECT_TRUE(absl::IsInvalidArgument(chat.Apply(messages, {}).status()));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(chat.Apply({}, {}).status()));
}

}  // namespace
}  // namespace aha
