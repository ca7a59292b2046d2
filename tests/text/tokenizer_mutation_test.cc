// Changes files at random. Nothing may crash, and a file that still loads must
// still work.
#include <algorithm>
#include <string>

#include "base/rng.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_files.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

// Makes one of these changes: flips a byte, cuts the tail off, removes or
// doubles a piece, or inserts a byte that has a meaning in JSON.
std::string Mutate(std::string text, const RandomKey& key) {
  uint64_t draw = 1;
  const uint32_t changes = 1 + key.Below(0, 3);
  for (uint32_t i = 0; i < changes && !text.empty(); ++i) {
    const auto below = [&](size_t n) {
      return key.Below(draw++, static_cast<uint32_t>(std::max<size_t>(n, 1)));
    };
    const size_t at = below(text.size());
    const size_t size = std::min<size_t>(below(40), text.size() - at);
    switch (below(5)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.resize(at);
        break;
      case 2:
        text.erase(at, size);
        break;
      case 3:
        text.insert(below(text.size()), text.substr(at, size));
        break;
      default:
        text[at] = "{}[]\",:0-9e.\\ntf"[below(16)];
    }
  }
  return text;
}

TEST(TokenizerMutationTest, TwoThousandBrokenFilesNeverCrash) {
  // Without most of its vocabulary the structure of a file is hit more often.
  const std::string files[] = {CharacterTokenizer().tokenizer_json,
                               FileText(GoldenPath("bpe/llama3.json")),
                               FileText(GoldenPath("bpe/previous.json"))};
  int loaded = 0;
  int refused = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const RandomKey key(20240607, RandomPurpose::kTest, i);
    const auto tokenizer = Tokenizer::Parse(Mutate(files[i % 3], key), "");
    if (!tokenizer.ok()) {
      EXPECT_FALSE(tokenizer.status().message().empty());
      ++refused;
      continue;
    }
    ++loaded;
    const auto ids =
        (*tokenizer)->Encode("It's <think> 12 x\n  \u6f22</think>");
    if (!ids.ok()) continue;
    for (const int32_t id : *ids) EXPECT_LT(id, (*tokenizer)->vocab_size());
    EXPECT_NE((*tokenizer)->Decode(*ids), "");
  }
  // Both outcomes must occur; otherwise the mutations test nothing.
  EXPECT_GT(loaded, 20);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace aha
