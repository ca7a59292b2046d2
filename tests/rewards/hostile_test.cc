// Completions are hostile input: nothing is slow, and nothing crashes.
#include <gtest/gtest.h>

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "rewards/number.h"
#include "tests/rewards/judge.h"

namespace aha::rewards {
namespace {

TEST(HostileCompletionTest, AnythingLongIsScoredInLinearTime) {
  const std::string pieces[] = {"\\boxed{",
                                "{",
                                "}",
                                "\\",
                                "<think>",
                                "</think>",
                                "<answer>",
                                "1",
                                "1,",
                                ",111",
                                "-",
                                ".",
                                "1.",
                                "<",
                                "</answer>",
                                "\xE2\x88\x92",
                                std::string(1, 0),
                                " ",
                                "\\boxed ",
                                "\\frac",
                                "\\frac{",
                                "{1}",
                                "\\sqrt{",
                                "^",
                                "1/",
                                "1^{",
                                "\\text{",
                                "$",
                                "\xC2\xB2",
                                "1 ",
                                "9 999",
                                "<thin",
                                "9,999"};
#ifdef __SANITIZE_ADDRESS__
  constexpr size_t kLength = 1 << 15;  // ASan looks at accesses, not at time.
#else
  constexpr size_t kLength = 1 << 18;
#endif
  // This process's own time, however busy the machine is.
  const std::clock_t start = std::clock();
  for (const std::string& piece : pieces) {
    std::string text;
    while (text.size() < kLength) text += piece;
    const PromptFields fields = {{"numbers", "[7]"}};
    for (const VerifierSpec& spec : Verifiers()) {
      const auto verifier = spec.make(SettingsFor(spec));
      const PromptView prompt = {.text = "?",
                                 .reference = spec.name == "choice" ? "B" : "7",
                                 .fields = &fields};
      ASSERT_TRUE(CheckPrompt(spec, **verifier, prompt).ok()) << spec.name;
      const std::vector<Verdict> verdicts = (*verifier)->Score(
          {{.prompt = prompt, .completion = text}}, Deadline::Never());
      EXPECT_GE(verdicts[0].value, -1) << spec.name;
      EXPECT_LE(verdicts[0].value, 1) << spec.name;
    }
  }
  // The worst for a search: all but the last character agrees, everywhere.
  // Both lengths are the longest that enter (validate.h, Contains::Check).
  const std::string needle = std::string(1023, 'a') + 'b';
  EXPECT_EQ(Value("contains", std::string(4 << 20, 'a'), needle), 0);
  // About a second without optimisation; quadratic would be hours.
  EXPECT_LT(std::clock() - start, 60 * CLOCKS_PER_SEC);
}

// The four tags, then what may stand between them.
const std::vector<std::string>& Pieces() {
  static const auto* const pieces = new std::vector<std::string>{
      "<think>", "</think>", "<answer>", "</answer>", "7", " ", "x", "\n"};
  return *pieces;
}

// The index in Pieces of the tag that begins at `at`.
std::optional<int> TagAt(const std::string& text, size_t at) {
  for (int p = 0; p < 4; ++p) {
    const std::string& tag = Pieces()[static_cast<size_t>(p)];
    if (text.compare(at, tag.size(), tag) == 0) return p;
  }
  return std::nullopt;
}

bool SlowlyJudgedFormat(const std::string& text) {
  // The tags in order of appearance, and what stands outside the blocks.
  std::string tags, outside;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    if (const std::optional<int> tag = TagAt(text, at)) {
      tags += static_cast<char>('0' + *tag);
      inside = *tag % 2 == 0;
      at += Pieces()[static_cast<size_t>(*tag)].size();
    } else {
      if (!inside) outside += text[at];
      ++at;
    }
  }
  return tags == "0123" &&
         outside.find_first_not_of(" \n") == std::string::npos;
}

TEST(HostileCompletionTest, RandomPiecesNeverCrashAndAgreeWithASlowJudge) {
  const std::vector<std::string>& pieces = Pieces();
  const RandomKey key(4, RandomPurpose::kTest);
  int formatted = 0;
  for (uint64_t i = 0; i < 200'000; ++i) {
    std::string text;
    const uint32_t count = 3 + key.Below(16 * i, 5);
    for (uint32_t j = 0; j < count; ++j) {
      text += pieces[key.Below(16 * i + 1 + j,
                               static_cast<uint32_t>(pieces.size()))];
    }
    const bool expected = SlowlyJudgedFormat(text);
    ASSERT_EQ((Value("format", text, "") == 1), expected) << text;
    formatted += expected;
  }
  EXPECT_GT(formatted, 20);
}

TEST(HostileCompletionTest, RandomNumberPiecesNeverCrash) {
  const std::string pieces[] = {"1",
                                "23",
                                ".",
                                ",",
                                " ",
                                "-",
                                "/",
                                "e",
                                "^",
                                "{",
                                "}",
                                "$",
                                "%",
                                "x",
                                "\\frac",
                                "\\",
                                "10",
                                "_",
                                "(",
                                ")",
                                "*",
                                "0",
                                "\n",
                                "\\text{",
                                "=",
                                "\xC2\xBD",
                                "\xE2\x81\xB5",
                                "\xE2\x88\x92",
                                "\\sqrt",
                                " million",
                                "\x01"};
  const RandomKey key(5, RandomPurpose::kTest);
  int numbers = 0;
  for (uint64_t i = 0; i < 200'000; ++i) {
    std::string text;
    const uint32_t count = 1 + key.Below(16 * i, 10);
    for (uint32_t j = 0; j < count; ++j) {
      text += pieces[key.Below(16 * i + 1 + j,
                               static_cast<uint32_t>(std::size(pieces)))];
    }
    const NumberReading last = LastNumber(text);
    const NumberReading whole = WholeNumber(text);
    numbers += last.kind == NumberReading::Kind::kNumber;
    // A text that is one number has one.
    if (whole.kind == NumberReading::Kind::kNumber) {
      ASSERT_NE(last.kind, NumberReading::Kind::kNone) << text;
    }
  }
  EXPECT_GT(numbers, 1000);
}

}  // namespace
}  // namespace aha::rewards
