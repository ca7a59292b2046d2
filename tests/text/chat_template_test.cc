#include "text/chat_template.h"

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

// The same template as other models write it.
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
TEST(ChatTemplateTest, TextThatATemplateWouldAddIsNoticed) {
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

// A conversation with two turns, in which text that appears once for each
// message differs from text that appears once for the conversation.
const std::vector<ChatMessage> kTwoTurns = {
    {"user", "hi"}, {"assistant", "yo"}, {"user", "ok"}};
constexpr char kTwoTurnsText[] =
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n"
    "<|im_start|>user\nok<|im_end|>\n<|im_start|>assistant\n";

// Returns a template with `outside` before its loop and `inside` first in the
// loop.
std::string WithPreamble(const std::string& outside,
                         const std::string& inside) {
  return outside + "{% for message in messages %}" + inside +
         "{{ '<|im_start|>' + message.role + '\\n' + message.content + "
         "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}"
         "{{ '<|im_start|>assistant\\n' }}{% endif %}";
}

std::string Preamble(const std::string& condition, const std::string& text) {
  return "{% if " + condition + " %}{{ '" + text + "' }}{% endif %}";
}

constexpr char kNoSystem[] = "messages[0]['role'] != 'system'";
constexpr char kFirst[] = "loop.first and messages[0]['role'] != 'system'";

// The expected texts are Jinja's own outputs.
TEST(ChatTemplateTest, APreambleComesOnceBeforeTwoTurns) {
  for (const std::string& jinja : {WithPreamble(Preamble(kNoSystem, "S"), ""),
                                   WithPreamble("", Preamble(kFirst, "S"))}) {
    const auto chat = ChatTemplate::Recognise(jinja);
    ASSERT_TRUE(chat.ok()) << chat.status();
    EXPECT_EQ(*chat->Apply(kTwoTurns), std::string("S") + kTwoTurnsText);
  }
}

// Inside the loop Jinja would write the first one before every message. Outside
// the second one fails because there is no `loop`.
TEST(ChatTemplateTest, APreamblesConditionIsAcceptedInItsPlaceOnly) {
  for (const std::string& jinja :
       {WithPreamble("", Preamble(kNoSystem, "S")),
        WithPreamble(Preamble(kFirst, "S"), ""),
        WithPreamble(Preamble(kNoSystem, "S"), Preamble(kFirst, "T"))}) {
    EXPECT_TRUE(absl::IsUnimplemented(ChatTemplate::Recognise(jinja).status()))
        << jinja;
  }
}

TEST(ChatTemplateTest, EscapesAreReadAsJinjaReadsThemOrRefused) {
  const auto with = [](const std::string& text) {
    return ChatTemplate::Recognise(WithPreamble(Preamble(kNoSystem, text), ""));
  };
  const auto chat = with("a\\n\\t\\\\\\'\\\"z");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(*chat->Apply(kTwoTurns),
            std::string("a\n\t\\'\"z") + kTwoTurnsText);
  for (const char* escape : {"\\u2019", "\\r", "\\x41", "\\101", "\\\n",
                             "\\N{DASH}", "\\q", "\x01", "\x02"}) {
    EXPECT_TRUE(absl::IsUnimplemented(with(escape).status())) << escape;
  }
}

TEST(ChatTemplateTest, LineEndsAreReadAsJinjaReadsThem) {
  const auto chat = ChatTemplate::Recognise(
      WithPreamble(Preamble(kNoSystem, "a\r\nb\rc"), ""));
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(*chat->Apply(kTwoTurns), std::string("a\nb\nc") + kTwoTurnsText);
}

TEST(ChatTemplateTest, AMessageAfterTheLoopIsRefused) {
  std::string jinja = WithPreamble("", "");
  const std::string end = "assistant\\n'";
  jinja.replace(jinja.find(end), end.size(), end + " + message.content");
  EXPECT_TRUE(absl::IsUnimplemented(ChatTemplate::Recognise(jinja).status()));
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
