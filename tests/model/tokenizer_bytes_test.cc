#include "model/tokenizer_bytes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::Eq;
using ::testing::Optional;

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

// The example of the Unicode standard, table 3-8.
TEST(Utf8Test, EachMaximalMalformedPartIsReplacedOnce) {
  EXPECT_EQ(ReplaceMalformedUtf8("a\xF1\x80\x80\xE1\x80\xC2"
                                 "b\x80"
                                 "c\x80\xBF"
                                 "d"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
}

TEST(AlphabetTest, SpellsEveryByteAndReadsItBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  EXPECT_THAT(AlphabetToBytes(BytesToAlphabet(bytes)), Optional(bytes));
  EXPECT_EQ(BytesToAlphabet("a b\n"), "a\u0120b\u010A");
}

TEST(AlphabetTest, RefusesWhatIsNotOfTheAlphabet) {
  EXPECT_THAT(AlphabetToBytes("a b"), Eq(std::nullopt));
  EXPECT_THAT(AlphabetToBytes("\u0144"), Eq(std::nullopt));
  EXPECT_THAT(AlphabetToBytes("\xFF"), Eq(std::nullopt));
}

TEST(QuoteTest, CutsLongTextAndEscapesControls) {
  EXPECT_EQ(Quote("a\nb\""), "\"a\\nb\\\"\"");
  EXPECT_EQ(Quote(std::string(100, 'x'), 4), "\"xxxx\"... (100 bytes)");
}

}  // namespace
}  // namespace aha
