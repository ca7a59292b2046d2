#include "base/text.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/rng.h"
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

// A part is as long as the beginning of a character that it could have been.
TEST(Utf8Test, TheSizeOfAMalformedPartIsThatOfItsBestBeginning) {
  const struct {
    absl::string_view text;
    size_t size;
  } parts[] = {
      {"\x80", 1},         {"\xC2", 1},         {"\xC2x", 1},
      {"\xE2\x82", 2},     {"\xE2\x82x", 2},    {"\xE0\x80", 1},
      {"\xED\xA0\x80", 1}, {"\xF0\x9F\x92", 3}, {"\xF0\x9F\x92x", 3},
      {"\xF4\x90", 1},     {"\xF5\x80", 1},     {"\xFF\xFF", 1},
  };
  for (const auto& part : parts) {
    const Utf8Char c = ReadUtf8(part.text, 0);
    EXPECT_FALSE(c.valid);
    EXPECT_EQ(c.size, part.size);
    EXPECT_EQ(c.code, char32_t{0xFFFD});
  }
}

TEST(Utf8Test, TheEndsOfEachLengthAreWrittenAsTheStandardSays) {
  const struct {
    char32_t code;
    absl::string_view bytes;
  } ends[] = {
      {0x7F, "\x7F"},
      {0x80, "\xC2\x80"},
      {0x7FF, "\xDF\xBF"},
      {0x800, "\xE0\xA0\x80"},
      {0xD7FF, "\xED\x9F\xBF"},
      {0xE000, "\xEE\x80\x80"},
      {0xFFFF, "\xEF\xBF\xBF"},
      {0x10000, "\xF0\x90\x80\x80"},
      {0x10FFFF, "\xF4\x8F\xBF\xBF"},
  };
  for (const auto& end : ends) {
    std::string text = "-";
    AppendUtf8(end.code, &text);
    EXPECT_EQ(text.substr(1), end.bytes);
  }
}

// A code that is not a scalar value has no UTF-8 form.
TEST(Utf8Test, WritingNeverMakesMalformedText) {
  for (const char32_t code :
       {char32_t{0xD800}, char32_t{0xDFFF}, char32_t{0x110000},
        char32_t{0x200000}, char32_t{0xFFFFFFFF}}) {
    std::string text;
    AppendUtf8(code, &text);
    EXPECT_EQ(text, "\uFFFD") << static_cast<uint32_t>(code);
  }
}

// ReadUtf8 finds every sequence of three bytes either malformed or the encoding
// of the character that it returns.
TEST(Utf8Test, ASequenceIsValidIfAndOnlyIfItIsWrittenSo) {
  std::vector<bool> written(1 << 24);
  for (char32_t code = 0x800; code < 0x10000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    AppendUtf8(code, &text);
    const auto byte = [&text](int i) {
      return static_cast<uint32_t>(static_cast<uint8_t>(text[i]));
    };
    written[byte(0) << 16 | byte(1) << 8 | byte(2)] = true;
  }
  for (uint32_t bytes = 0xE00000; bytes < 0xF00000; ++bytes) {
    const char text[] = {static_cast<char>(bytes >> 16),
                         static_cast<char>(bytes >> 8),
                         static_cast<char>(bytes)};
    const Utf8Char c = ReadUtf8({text, 3}, 0);
    ASSERT_EQ(c.valid, static_cast<bool>(written[bytes])) << bytes;
    ASSERT_TRUE(!c.valid || c.size == 3);
  }
}

// Bytes at random, of which many begin characters.
TEST(Utf8Test, WhatWasReplacedIsValidAndStaysAsItIs) {
  const RandomKey key(1, RandomPurpose::kTest);
  for (uint64_t round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t i = 0; i < 12; ++i) {
      const uint32_t bits = key.Bits(round * 12 + i);
      text += static_cast<char>((bits & 0x100) != 0 ? 0x80 | bits : bits);
    }
    const std::string replaced = ReplaceMalformedUtf8(text);
    ASSERT_EQ(FindMalformedUtf8(replaced), std::string::npos);
    ASSERT_EQ(ReplaceMalformedUtf8(replaced), replaced);
    const size_t bad = FindMalformedUtf8(text);
    ASSERT_EQ(bad == std::string::npos, replaced == text);
    if (bad != std::string::npos) {
      ASSERT_EQ(replaced.substr(0, bad), text.substr(0, bad));
      ASSERT_EQ(replaced.substr(bad, 3), "\uFFFD");
    }
  }
}

TEST(Utf8Test, AnEmptyTextAndAZeroByteAreValid) {
  EXPECT_EQ(FindMalformedUtf8(""), std::string::npos);
  EXPECT_EQ(ReplaceMalformedUtf8(""), "");
  const std::string zero("a\0b", 3);
  EXPECT_EQ(FindMalformedUtf8(zero), std::string::npos);
  EXPECT_EQ(ReplaceMalformedUtf8(zero), zero);
}

TEST(NearestNameTest, TheFirstOfTwoThatAreAsNear) {
  EXPECT_EQ(NearestName("staps", {"steps", "stops"}), "steps");
  EXPECT_EQ(NearestName("staps", {"stops", "steps"}), "stops");
  EXPECT_EQ(NearestName("steps", {"stops", "steps"}), "steps") << "it is one";
  EXPECT_EQ(NearestName("steps", {}), "");
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
