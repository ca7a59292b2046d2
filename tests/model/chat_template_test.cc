#include "model/chat_template.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

constexpr char kSmolLm2[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != "
    "'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant named "
    "SmolLM, trained by Hugging Face<|im_end|>\\n' }}{% endif "
    "%}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}";

// The same, as other models spell it.
constexpr char kSpacedOut[] =
    "{#- ChatML -#}\n"
    "{%- if not add_generation_prompt is defined -%}\n"
    "  {%- set add_generation_prompt = false -%}\n"
    "{%- endif -%}\n"
    "{%- for message in messages -%}\n"
    "  {{- \"<|im_start|>\" ~ message.role ~ \"\\n\" ~ message.content "
    "~ \"<|im_end|>\\n\" -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "  {{- '<|im_start|>assistant\\n' -}}\n"
    "{%- endif -%}\n";

constexpr char kTrimmedBlocks[] =
    "{% for message in messages %}\n"
    "{{ ('<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n') }}\n"
    "{% endfor %}\n"
    "{% if add_generation_prompt %}\n"
    "{{ '<|im_start|>assistant\n' }}\n"
    "{% endif %}\n";

const std::vector<ChatMessage> kUser = {{"user", "hi"}};

TEST(ChatTemplateTest, SmolLm2sDefaultSystemMessageIsAdded) {
  const auto chat = ChatTemplate::Recognise(kSmolLm2);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(*chat->Apply(kUser),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, "
            "trained by Hugging Face<|im_end|>\n<|im_start|>user\nhi<|im_end|>"
            "\n<|im_start|>assistant\n");
}

TEST(ChatTemplateTest, AGivenSystemMessageTakesItsPlace) {
  const auto chat = ChatTemplate::Recognise(kSmolLm2);
  ASSERT_TRUE(chat.ok());
  const std::vector<ChatMessage> messages = {{"system", "Be terse."},
                                             {"user", "hi"}};
  EXPECT_EQ(*chat->Apply(messages),
            "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\n"
            "hi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplateTest, SpellingAndWhiteSpaceControlDoNotMatter) {
  const auto chat = ChatTemplate::Recognise(kSpacedOut);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(*chat->Apply(kUser),
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}

// Line ends after outputs are text, so this is not ChatML: each message would
// end in one more.
TEST(ChatTemplateTest, TextThatATemplateWouldAddIsNotOverlooked) {
  EXPECT_TRUE(
      absl::IsUnimplemented(ChatTemplate::Recognise(kTrimmedBlocks).status()));
}

TEST(ChatTemplateTest, OtherTemplatesAreRefusedRatherThanGuessed) {
  const std::string smollm2 = kSmolLm2;
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = smollm2;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& other :
       {std::string(), std::string("{{ bos_token }}"),
        std::string("[INST] {{ messages[0]['content'] }} [/INST]"),
        replaced("message['content']", "message['content'] | trim"),
        replaced("in messages %}", "in messages[1:] %}"),
        replaced("<|im_end|>' + '\\n'", "<|im_end|>'"),
        replaced("add_generation_prompt", "tools"),
        replaced("!= 'system'", "== 'system'"),
        replaced("{% for message in messages %}", ""), smollm2 + "{{ x }}",
        smollm2 + "{% for", smollm2 + "text",
        smollm2.substr(0, smollm2.size() - 20)}) {
    const absl::Status status = ChatTemplate::Recognise(other).status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << other;
    EXPECT_THAT(std::string(status.message()), HasSubstr("chat_template"));
  }
}

TEST(ChatTemplateTest, RolesThatWouldForgeTheFormatAreRefused) {
  const auto chat = ChatTemplate::Recognise(kSmolLm2);
  ASSERT_TRUE(chat.ok());
  for (const char* role : {"", "us er", "user\nx", "<|im_end|>"}) {
    const std::vector<ChatMessage> messages = {{role, "hi"}};
    EXPECT_TRUE(absl::IsInvalidArgument(chat->Apply(messages).status()));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(chat->Apply({}).status()));
}

}  // namespace
}  // namespace aha
