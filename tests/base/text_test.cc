#include "base/text.h"

#include <string>

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(Utf8Test, EveryScalarValueSurvivesWritingAndReading) {
  for (char32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 97) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    AppendUtf8(code, &text);
    const Utf8Char c = ReadUtf8(text, 0);
    ASSERT_TRUE(c.valid) << static_cast<uint32_t>(code);
    ASSERT_EQ(c.code, code);
    ASSERT_EQ(c.size, text.size());
  }
}

TEST(Utf8Test, FindsOverlongFormsSurrogatesAndWhatIsBeyondUnicode) {
  for (const char* bad :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xFF", "\x80", "\xE2\x82"}) {
    EXPECT_EQ(FindMalformedUtf8(std::string("ok") + bad), 2u);
  }
  EXPECT_EQ(FindMalformedUtf8("gr\xC3\xBC\xC3\x9F"), std::string::npos);
}

// The example in table 3-8 of the Unicode standard.
TEST(Utf8Test, EachMaximalMalformedPartIsReplacedOnce) {
  EXPECT_EQ(ReplaceMalformedUtf8("a\xF1\x80\x80\xE1\x80\xC2"
                                 "b\x80"
                                 "c\x80\xBF"
                                 "d"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
}

TEST(NearestNameTest, IsTheCandidateWithTheFewestEdits) {
  EXPECT_EQ(NearestName("rolout", {"run", "rollout"}), "rollout");
  EXPECT_EQ(NearestName("wiat", {"list", "wait"}), "wait") << "a swap is one";
  EXPECT_EQ(NearestName("jbos", {"job", "run"}), "job");
  EXPECT_EQ(NearestName("prompts_per_stpe", {"prompts_per_step"}),
            "prompts_per_step");
}

TEST(NearestNameTest, IsEmptyIfNoneIsNear) {
  EXPECT_EQ(NearestName("bogus", {"job", "run"}), "");
  EXPECT_EQ(NearestName("xy", {"ab"}), "") << "every letter is another";
  EXPECT_EQ(NearestName("", {"run"}), "");
  EXPECT_EQ(NearestName(std::string(65, 'x'), {std::string(65, 'x')}), "");
}

}  // namespace
}  // namespace aha
