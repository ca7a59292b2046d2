// What holds for every text, on texts made at random: encoding loses nothing,
// and merges are those of the plain definition of byte-pair encoding.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/rng.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

using TokenIds = std::vector<int32_t>;

// Numbers of one test, in order.
class Draw {
 public:
  explicit Draw(uint64_t test) : key_(test, RandomPurpose::kTest) {}
  uint32_t Below(uint32_t n) { return key_.Below(next_++, n); }

 private:
  const RandomKey key_;
  uint64_t next_ = 0;
};

// Letters, digits, spaces, marks and characters of all lengths in UTF-8, in
// runs, as texts have them.
std::string RandomText(Draw& draw) {
  static constexpr absl::string_view kPieces[] = {
      "the",    "there",      "a",    "Z",     " ", "  ", "\n",     "\t",
      "1",      "2024",       "'s",   "don't", ".", "!?", "\u00e9", "e\u0301",
      "\u6f22", "\U0001F600", "\r\n", "_",     "<", "<|", "|>",     "\u00a0"};
  std::string text;
  for (uint32_t i = draw.Below(20); i > 0; --i) {
    const absl::string_view piece =
        kPieces[draw.Below(static_cast<uint32_t>(std::size(kPieces)))];
    text.append(piece.data(), piece.size());
  }
  return text;
}

class TokenizerPropertyTest : public ::testing::TestWithParam<const char*> {
 protected:
  const std::string json_ =
      FileText(GoldenPath(std::string("bpe/") + GetParam() + ".json"));
  const std::unique_ptr<Tokenizer> tokenizer_ = *Tokenizer::Parse(json_, "");
};

TEST_P(TokenizerPropertyTest, ATextComesBackFromItsIds) {
  Draw draw(1);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = RandomText(draw);
    const auto ids = tokenizer_->Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    for (const int32_t id : *ids) {
      ASSERT_GE(id, 0);
      ASSERT_LT(id, tokenizer_->vocab_size());
    }
    ASSERT_EQ(tokenizer_->Decode(*ids), text);
    ASSERT_EQ(*tokenizer_->Encode(text), *ids)
        << "it depends on the text alone";
  }
}

TEST_P(TokenizerPropertyTest, BytesThatAreNotUtf8AreRefusedWhereverTheyAre) {
  Draw draw(2);
  for (int round = 0; round < 500; ++round) {
    std::string text = RandomText(draw);
    const auto at = draw.Below(static_cast<uint32_t>(text.size()) + 1);
    text.insert(at, 1, static_cast<char>(0x80 + draw.Below(0x80)));
    const auto ids = tokenizer_->Encode(text);
    if (FindMalformedUtf8(text) == absl::string_view::npos) {
      ASSERT_TRUE(ids.ok());
    } else {
      ASSERT_TRUE(absl::IsInvalidArgument(ids.status())) << ids.status();
    }
  }
}

// A model may sample any ids in any order.
TEST_P(TokenizerPropertyTest, AnyIdsDecodeToUtf8) {
  Draw draw(3);
  const auto size = static_cast<uint32_t>(tokenizer_->vocab_size());
  for (int round = 0; round < 500; ++round) {
    TokenIds ids(draw.Below(12));
    for (int32_t& id : ids) {
      id = static_cast<int32_t>(draw.Below(size + 20)) - 10;
    }
    for (const auto special :
         {Tokenizer::Special::kKeep, Tokenizer::Special::kSkip}) {
      const std::string text = tokenizer_->Decode(ids, special);
      ASSERT_EQ(FindMalformedUtf8(text), absl::string_view::npos);
    }
  }
}

// The definition: of all pairs of neighbours the one that was learned first is
// merged, the leftmost of it first, until no pair is known.
class PlainBpe {
 public:
  explicit PlainBpe(const nlohmann::json& file) {
    const nlohmann::json& model = file["model"];
    whole_words_first_ = model.value("ignore_merges", false);
    for (const auto& [token, id] : model["vocab"].items()) {
      vocabulary_[token] = id;
    }
    for (const nlohmann::json& merge : model["merges"]) {
      std::pair<std::string, std::string> pair;
      if (merge.is_string()) {
        pair = absl::StrSplit(merge.get<std::string>(), ' ');
      } else {
        pair = {merge[0], merge[1]};
      }
      ranks_.emplace(pair, ranks_.size());
    }
  }
  TokenIds Encode(const std::string& word) const {
    const auto whole = vocabulary_.find(word);
    if (whole_words_first_ && whole != vocabulary_.end()) {
      return {whole->second};
    }
    std::vector<std::string> parts;
    for (const char c : word) parts.emplace_back(1, c);
    while (true) {
      size_t best = ranks_.size();
      size_t at = 0;
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto found = ranks_.find({parts[i], parts[i + 1]});
        if (found == ranks_.end() || found->second >= best) continue;
        best = found->second;
        at = i;
      }
      if (best == ranks_.size()) break;
      parts[at] += parts[at + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    TokenIds ids;
    for (const std::string& part : parts) ids.push_back(vocabulary_.at(part));
    return ids;
  }

 private:
  bool whole_words_first_ = false;
  std::map<std::string, int32_t> vocabulary_;
  std::map<std::pair<std::string, std::string>, size_t> ranks_;
};

// A word of letters is one piece for every pre-tokenizer.
TEST_P(TokenizerPropertyTest, AWordIsMergedAsTheDefinitionSays) {
  const PlainBpe plain(nlohmann::json::parse(json_));
  Draw draw(4);
  for (int round = 0; round < 2000; ++round) {
    std::string word;
    // Few letters, so that many pairs are known.
    static constexpr absl::string_view kLetters = "theranoisdlu";
    for (uint32_t i = 1 + draw.Below(30); i > 0; --i) {
      word += kLetters[draw.Below(static_cast<uint32_t>(kLetters.size()))];
    }
    ASSERT_EQ(*tokenizer_->Encode(word), plain.Encode(word)) << word;
  }
}

INSTANTIATE_TEST_SUITE_P(Bpe, TokenizerPropertyTest,
                         ::testing::Values("gpt2", "digits", "llama3"));

TEST(CharacterPropertyTest, AnAddedTokenDividesATextInTwo) {
  const TokenizerFiles files = CharacterTokenizer();
  const auto tokenizer =
      *Tokenizer::Parse(files.tokenizer_json, files.tokenizer_config_json);
  Draw draw(5);
  const auto letters = [&draw] {
    std::string text;
    for (uint32_t i = draw.Below(8); i > 0; --i) {
      text += static_cast<char>(' ' + draw.Below(95));
    }
    return text;
  };
  for (const char* token :
       {"<think>", "</think>", "<answer>", "</answer>", "<eos>"}) {
    const TokenIds middle = *tokenizer->Encode(token);
    ASSERT_EQ(middle.size(), 1u);
    for (int round = 0; round < 200; ++round) {
      const std::string before = letters(), after = letters();
      TokenIds expected = *tokenizer->Encode(before);
      expected.insert(expected.end(), middle.begin(), middle.end());
      const TokenIds rest = *tokenizer->Encode(after);
      expected.insert(expected.end(), rest.begin(), rest.end());
      ASSERT_EQ(*tokenizer->Encode(before + token + after), expected)
          << before << token << after;
    }
  }
}

}  // namespace
}  // namespace aha
