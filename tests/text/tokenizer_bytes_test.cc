#include "text/tokenizer_bytes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::Eq;
using ::testing::Optional;

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
