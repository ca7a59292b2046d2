// Unicode's form C, alone and where a tokenizer applies it.
#include "text/unicode.h"

#include <cstdint>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_files.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

using ::testing::Contains;
using ::testing::Not;
using Ids = std::vector<int32_t>;

constexpr char kComposed[] = "\u00e9";  // e with acute.
constexpr char kDecomposed[] = "e\u0301";
constexpr char kSyllable[] = "\ud55c";  // Hangul "han".
constexpr char kJamo[] = "\u1112\u1161\u11ab";

TEST(UnicodeTest, CharactersAndTheirMarksAreComposed) {
  EXPECT_EQ(*ToNfc(kDecomposed), kComposed);
  EXPECT_EQ(*ToNfc(kComposed), kComposed);
  EXPECT_EQ(*ToNfc("cafe\u0301s"), "caf\u00e9s");
}

TEST(UnicodeTest, HangulIsComposedByRule) {
  EXPECT_EQ(*ToNfc(kJamo), kSyllable);
  // A syllable without a final consonant takes one that follows it.
  EXPECT_EQ(*ToNfc("\ud558\u11ab"), kSyllable);
}

TEST(UnicodeTest, MarksComeInCanonicalOrder) {
  // Dot above and dot below; the lower class comes first.
  EXPECT_EQ(*ToNfc("q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(*ToNfc("a\u0307\u0323"), "\u1ea1\u0307");
}

TEST(UnicodeTest, WhatFormCExcludesStaysDecomposed) {
  EXPECT_EQ(*ToNfc("\u0958"), "\u0915\u093c");  // A composition exclusion.
  EXPECT_EQ(*ToNfc("\u212b"), "\u00c5");        // Angstrom sign: a singleton.
  EXPECT_EQ(*ToNfc("\ufb01"), "\ufb01");        // Only form KC changes "fi".
}

TEST(UnicodeTest, OtherTextIsUnchanged) {
  for (const std::string& text :
       {std::string(), std::string("plain\n"), std::string("a\0b", 3),
        std::string("\u6f22\u5b57 \U0001F600"), std::string("\u0301")}) {
    EXPECT_EQ(*ToNfc(text), text);
  }
}

// Letters and marks at random, composed and not, with Hangul among them.
std::string RandomMarkedText(const RandomKey& key, uint64_t text) {
  static constexpr char32_t kCodes[] = {
      'a',    'e',    'q',    0xE9,   0x1EA1, 0x301, 0x307,  0x323,  0x328,
      0x1112, 0x1161, 0x11AB, 0xD558, 0x915,  0x93C, 0x212B, 0x6F22, 0x1F600};
  std::string made;
  for (uint64_t i = 0; i < 10; ++i) {
    AppendUtf8(kCodes[key.Below(text * 10 + i, std::size(kCodes))], &made);
  }
  return made;
}

TEST(UnicodePropertyTest, FormCOfFormCIsItselfAndIsUtf8) {
  const RandomKey key(1, RandomPurpose::kTest);
  for (uint64_t i = 0; i < 3000; ++i) {
    const std::string text = RandomMarkedText(key, i);
    const std::string once = *ToNfc(text);
    ASSERT_EQ(FindMalformedUtf8(once), std::string::npos);
    ASSERT_EQ(*ToNfc(once), once) << text;
  }
}

// A letter that composes with nothing divides a text for the normalization.
TEST(UnicodePropertyTest, WhatStandsBehindALetterIsNormalisedByItself) {
  const RandomKey key(2, RandomPurpose::kTest);
  for (uint64_t i = 0; i < 3000; ++i) {
    const std::string before = RandomMarkedText(key, 2 * i);
    const std::string after = RandomMarkedText(key, 2 * i + 1);
    ASSERT_EQ(*ToNfc(before + "\n" + after),
              *ToNfc(before + "\n") + *ToNfc(after))
        << before << " | " << after;
  }
}

// Marks of different classes may stand in either order.
TEST(UnicodePropertyTest, TheOrderOfMarksOfOtherClassesDoesNotMatter) {
  const std::vector<std::string> above = {"\u0301", "\u0307"};
  const std::vector<std::string> below = {"\u0323", "\u0328"};
  for (const char* letter : {"a", "e", "q", "\u00e9", "\u6f22"}) {
    for (const std::string& a : above) {
      for (const std::string& b : below) {
        EXPECT_EQ(*ToNfc(letter + a + b), *ToNfc(letter + b + a)) << letter;
      }
    }
    EXPECT_NE(*ToNfc(std::string(letter) + above[0] + above[1]),
              *ToNfc(std::string(letter) + above[1] + above[0]))
        << "marks of one class stay as they are";
  }
}

// The tokenizer of GPT-2, whose vocabulary spells every byte.
std::unique_ptr<Tokenizer> Gpt2(const nlohmann::json& normalizer,
                                const std::vector<nlohmann::json>& added = {}) {
  nlohmann::json json =
      nlohmann::json::parse(FileText(GoldenPath("bpe/gpt2.json")));
  json["normalizer"] = normalizer;
  for (const nlohmann::json& token : added) {
    json["added_tokens"].push_back(token);
  }
  auto tokenizer = Tokenizer::Parse(json.dump(), "");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

const nlohmann::json kNfc = {{"type", "NFC"}};

TEST(NfcTokenizerTest, DecomposedTextHasTheIdsOfComposedText) {
  const auto tokenizer = Gpt2(kNfc);
  EXPECT_EQ(*tokenizer->Encode(kDecomposed), *tokenizer->Encode(kComposed));
  EXPECT_EQ(*tokenizer->Encode(kJamo), *tokenizer->Encode(kSyllable));
  EXPECT_EQ(tokenizer->Decode(*tokenizer->Encode(kJamo)), kSyllable);
}

TEST(NfcTokenizerTest, WithoutTheNormalizerTheyDiffer) {
  const auto tokenizer = Gpt2(nullptr);
  EXPECT_NE(*tokenizer->Encode(kDecomposed), *tokenizer->Encode(kComposed));
  EXPECT_NE(*tokenizer->Encode(kJamo), *tokenizer->Encode(kSyllable));
  EXPECT_EQ(tokenizer->Decode(*tokenizer->Encode(kJamo)), kJamo);
}

TEST(NfcTokenizerTest, ComposedTextHasTheSameIdsWithAndWithoutIt) {
  const std::string text = "na\u00efve caf\u00e9s, \ud55c\uad6d 12";
  EXPECT_EQ(*Gpt2(kNfc)->Encode(text), *Gpt2(nullptr)->Encode(text));
}

nlohmann::json Added(int id, const std::string& content, bool normalized) {
  return {{"id", id},        {"content", content}, {"single_word", false},
          {"lstrip", false}, {"rstrip", false},    {"normalized", normalized},
          {"special", false}};
}

TEST(NfcTokenizerTest, ATokenThatIsNotNormalisedIsFoundInTheTextAsGiven) {
  const int id = Gpt2(kNfc)->vocab_size();
  const auto tokenizer =
      Gpt2(kNfc, {Added(id, kDecomposed, /*normalized=*/false)});
  EXPECT_EQ(*tokenizer->Encode(kDecomposed), Ids{id});
  EXPECT_THAT(*tokenizer->Encode(kComposed), Not(Contains(id)));
}

TEST(NfcTokenizerTest, ANormalisedTokenIsFoundInBothForms) {
  const int id = Gpt2(kNfc)->vocab_size();
  const auto tokenizer =
      Gpt2(kNfc, {Added(id, kDecomposed, /*normalized=*/true)});
  EXPECT_EQ(*tokenizer->Encode(kDecomposed), Ids{id});
  EXPECT_EQ(*tokenizer->Encode(kComposed), Ids{id});
  // Without the normalizer, only as it is written.
  const auto plain = Gpt2(nullptr, {Added(id, kDecomposed, true)});
  EXPECT_EQ(*plain->Encode(kDecomposed), Ids{id});
  EXPECT_THAT(*plain->Encode(kComposed), Not(Contains(id)));
}

TEST(NfcTokenizerTest, AMarkAfterATokenIsNotComposedWithIt) {
  const int id = Gpt2(kNfc)->Encode("e")->front();
  const auto tokenizer = Gpt2(kNfc, {Added(id, "e", /*normalized=*/false)});
  const Ids ids = *tokenizer->Encode(kDecomposed);
  EXPECT_EQ(ids.front(), id);
  EXPECT_EQ(tokenizer->Decode(ids), kDecomposed);
}

}  // namespace
}  // namespace aha
