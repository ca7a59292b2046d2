// Which number a text gives, and when two are the same.
#include "rewards/number.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "rewards/plain_math.h"

namespace aha::rewards {
namespace {

std::string Text(const NumberReading& reading) {
  switch (reading.kind) {
    case NumberReading::Kind::kNone:
      return "none";
    case NumberReading::Kind::kMalformed:
      return "malformed";
    case NumberReading::Kind::kTooLarge:
      return "too large";
    case NumberReading::Kind::kNumber:
      break;
  }
  return absl::StrCat(
      reading.number.value.get_str(), reading.number.percent ? "%" : "",
      reading.number.unit.empty() ? "" : " ", reading.number.unit);
}

std::string Last(absl::string_view text) { return Text(LastNumber(text)); }
std::string Whole(absl::string_view text) { return Text(WholeNumber(text)); }
std::string Only(absl::string_view text) { return Text(OnlyNumber(text)); }

bool Same(absl::string_view answer, absl::string_view reference,
          double absolute = 0, double relative = 0) {
  return SameNumber(WholeNumber(answer).number, WholeNumber(reference).number,
                    ToleranceOf(absolute, relative));
}

TEST(LastNumberTest, ReadsIntegersAndDecimalsInProse) {
  EXPECT_EQ(Last("The sum is 68."), "68");
  EXPECT_EQ(Last("#### 72."), "72");
  EXPECT_EQ(Last("23 + 45 = 68\n"), "68");
  EXPECT_EQ(Last("1, 2, 3"), "3");
  EXPECT_EQ(Last("0.40"), "2/5");
  EXPECT_EQ(Last(".4"), "2/5");
  EXPECT_EQ(Last("007"), "7");
  EXPECT_EQ(Last("45cm"), "45");
  EXPECT_EQ(Last("**68**"), "68");
  EXPECT_EQ(Last("no digits, no points ..."), "none");
  EXPECT_EQ(Last(""), "none");
}

TEST(LastNumberTest, ReadsThousandsSeparators) {
  EXPECT_EQ(Last("1,234,567"), "1234567");
  EXPECT_EQ(Last("7,425,000 people"), "7425000");
  EXPECT_EQ(Last("In total 1 234"), "1234");
  EXPECT_EQ(Last("In total 1\xE2\x80\xAF"
                 "234"),
            "1234");
  EXPECT_EQ(Last("In total 1{,}234"), "1234");
  EXPECT_EQ(Last("1,\\!234"), "1234");
  EXPECT_EQ(Last("1\\,234"), "1234");
  EXPECT_EQ(Last("1'234"), "1234");
  EXPECT_EQ(Last("$1,000.99"), "100099/100");
  EXPECT_EQ(Last("12 3456"), "3456");
  EXPECT_EQ(Last("1234 567"), "567");
}

TEST(LastNumberTest, AMinusIsASignUnlessAnOperandStandsBeforeIt) {
  EXPECT_EQ(Last("= -5"), "-5");
  EXPECT_EQ(Last("x = - 5"), "-5");
  EXPECT_EQ(Last("The loss is -$5"), "-5");
  EXPECT_EQ(Last("The loss is $-5"), "-5");
  EXPECT_EQ(Last("The loss is -\\$5"), "-5");
  EXPECT_EQ(Last("The loss is -\xE2\x82\xAC"
                 "5"),
            "-5");
  for (const char* dash : {"\xE2\x88\x92", "\xE2\x80\x93", "\xE2\x80\x92",
                           "\xE2\x80\x91", "\xEF\xBC\x8D"}) {
    EXPECT_EQ(Last(absl::StrCat("Change: ", dash, "5")), "-5") << dash;
  }
  EXPECT_EQ(Last("3-5"), "5");
  EXPECT_EQ(Last("3 - 5"), "5");
  EXPECT_EQ(Last("(3)-5"), "5");
  EXPECT_EQ(Last("x-5"), "5");
  EXPECT_EQ(Last("3 - -5"), "-5");
  EXPECT_EQ(Last("-0.00"), "0");
  EXPECT_EQ(Last("Options:\n- 5"), "5");
}

TEST(LastNumberTest, ReadsFractionsPowersAndScientificNotation) {
  EXPECT_EQ(Last("The answer is 1/2."), "1/2");
  EXPECT_EQ(Last("10 / 4"), "5/2");
  EXPECT_EQ(Last("\\frac{1}{3}"), "1/3");
  EXPECT_EQ(Last("-\\dfrac13"), "-1/3");
  EXPECT_EQ(Last("\\frac{-1}{3}"), "-1/3");
  EXPECT_EQ(Last("it is 7 3/4"), "31/4");
  EXPECT_EQ(Last("it is 7\\frac{3}{4}"), "31/4");
  EXPECT_EQ(Last("it is 2\xC2\xBD cups"), "5/2");
  EXPECT_EQ(Last("It is 10^5"), "100000");
  EXPECT_EQ(Last("It is 10^{-2}"), "1/100");
  EXPECT_EQ(Last("It is 10\xE2\x81\xB5"), "100000");
  EXPECT_EQ(Last("That makes 1e5"), "100000");
  EXPECT_EQ(Last("1.5E-3 m"), "3/2000");
  EXPECT_EQ(Last("3 \\times 10^5"), "300000");
  EXPECT_EQ(Last("3\xC3\x97"
                 "10^{5} m"),
            "300000");
}

TEST(LastNumberTest, ReadsPercentSignsAndNumberWords) {
  EXPECT_EQ(Last("about 12%"), "12%");
  EXPECT_EQ(Last("about 12 \\%"), "12%");
  EXPECT_EQ(Last("28 percent"), "28%");
  EXPECT_EQ(Last("5 million"), "5000000");
  EXPECT_EQ(Last("5 \\text{ million}"), "5000000");
  EXPECT_EQ(Last("2.5 dozen eggs"), "30");
  EXPECT_EQ(Last("5 millions"), "5");
}

TEST(LastNumberTest, DigitsOfOtherScriptsAreDigits) {
  EXPECT_EQ(Last("\xEF\xBC\x94\xEF\xBC\x92"), "42");
  EXPECT_EQ(Last("\xD9\xA4\xD9\xA2"), "42");
}

TEST(LastNumberTest, WhatBelongsToALetterIsNoNumber) {
  EXPECT_EQ(Last("AZYUK2A"), "none");
  EXPECT_EQ(Last("H2O has 3 atoms of x2"), "3");
  EXPECT_EQ(Last("3 atoms of x_{2}"), "3");
  EXPECT_EQ(Last("3 atoms of x\xE2\x82\x82"), "3");
  EXPECT_EQ(Last("The area is 5 cm^2"), "5");
  EXPECT_EQ(Last("The area is 5 cm\xC2\xB2"), "5");
  EXPECT_EQ(Last("5 m s^{-1}"), "5");
  EXPECT_EQ(Last("\\approx5"), "5");
}

TEST(LastNumberTest, APartOfSomethingElseIsNeverTheAnswer) {
  for (const char* text : {"1,23",
                           "12,3456",
                           "1234,567",
                           "1.2.3",
                           "(1,2)",
                           "12/25/2024",
                           "3:45",
                           "2\\pi",
                           "2\xCF\x80",
                           "2\\sqrt{3}",
                           "\\sqrt{2}",
                           "\xE2\x88\x9A"
                           "2",
                           "\\frac{\\sqrt{3}}{2}",
                           "\\frac{x}{2}",
                           "x/2",
                           "\\sqrt{3}/2",
                           "5x",
                           "10^x",
                           "10^{",
                           "(-2)^2",
                           "2^3^2",
                           "3\\frac{5}{2}",
                           "\\log 8",
                           "\\binom{5}{2}",
                           "1/0",
                           "0^{-1}",
                           "2 * \\pi",
                           "\\frac{1}{2}/3"}) {
    EXPECT_EQ(Last(text), "malformed") << text;
  }
}

TEST(LastNumberTest, SaysWhetherAnythingFollows) {
  EXPECT_TRUE(LastNumber("it is 6").at_end);
  EXPECT_TRUE(LastNumber("it is 1/6").at_end);
  EXPECT_FALSE(LastNumber("it is 6.").at_end);
  EXPECT_FALSE(LastNumber("it is 6%").at_end);
  EXPECT_FALSE(LastNumber("it is 6 and").at_end);
}

TEST(WholeNumberTest, LooksThroughDelimitersUnitsAndAName) {
  for (const char* text :
       {"5", " 5 ", "5.", "+5", "$5$", "\\(5\\)", "{5}", "{{5}}", "\\$5", "5.0",
        "\\boxed{5}", "\\text{5}", "x = 5", "x=5", "\n5\n"}) {
    EXPECT_EQ(Whole(text), "5") << text;
  }
  EXPECT_EQ(Whole("5 \\text{ cm}"), "5 cm");
  EXPECT_EQ(Whole("5\\,\\mathrm{cm}^2"), "5 cm^2");
  EXPECT_EQ(Whole("5 apples."), "5 apples");
  EXPECT_EQ(Whole("90^\\circ"), "90 degree");
  EXPECT_EQ(Whole("90\xC2\xB0"), "90 degree");
  EXPECT_EQ(Whole("- 5"), "-5");
  EXPECT_EQ(Whole("12\\%"), "12%");
}

TEST(WholeNumberTest, RefusesWhatIsMoreThanANumber) {
  for (const char* text : {"", "x", "5 or 6", "5 or more", "5 x", "5x", "(1,2)",
                           "5 + 6", "A5", "7=11", "--5", "\\text{A}", "5 5"}) {
    EXPECT_EQ(Whole(text), "malformed") << text;
  }
}

TEST(OnlyNumberTest, TakesTheNumberOfASentence) {
  EXPECT_EQ(Only("The answer is 5 of them"), "5");
  EXPECT_EQ(Only("5 or 6"), "malformed");
  EXPECT_EQ(Only("nothing"), "none");
}

TEST(LimitTest, AHugeNumberIsTooLargeAndNeverSlow) {
  EXPECT_EQ(Last("1e999999999"), "too large");
  EXPECT_EQ(Last("1e99999999999999999999999"), "too large");
  EXPECT_EQ(Last("1e-999999999"), "too large");
  EXPECT_EQ(Last("9^999999999"), "too large");
  EXPECT_EQ(Last("999^{99999}"), "too large");
  EXPECT_EQ(Last(std::string(64 << 10, '7')), "too large");
  EXPECT_EQ(Last("1/" + std::string(64 << 10, '7')), "too large");
  EXPECT_EQ(Last("0." + std::string(64 << 10, '7')), "too large");
}

TEST(LimitTest, NumbersOfTheLargestSizeAreExact) {
  const std::string digits(kMaxDigits, '7');
  EXPECT_EQ(Last(digits), digits);
  EXPECT_EQ(Last(digits + "7"), "too large");
  EXPECT_EQ(Last("1e4096"), "1" + std::string(4096, '0'));
  EXPECT_EQ(Last("1e4097"), "too large");
  EXPECT_FALSE(Same("9007199254740993", "9007199254740992"));
  EXPECT_FALSE(Same("0.1000000000000000001", "0.1"));
}

TEST(SameNumberTest, FormDoesNotMatter) {
  EXPECT_TRUE(Same("1/2", "0.5"));
  EXPECT_TRUE(Same("\\frac{2}{4}", "\\dfrac12"));
  EXPECT_TRUE(Same("1e3", "1,000.0"));
  EXPECT_FALSE(Same("1/3", "0.3333333333"));
  EXPECT_FALSE(Same("-5", "5"));
}

TEST(SameNumberTest, APercentSignIsAUnitOrADivisionUnlessBothHaveIt) {
  EXPECT_TRUE(Same("12%", "12"));
  EXPECT_TRUE(Same("12%", "0.12"));
  EXPECT_TRUE(Same("12", "12%"));
  EXPECT_TRUE(Same("0.12", "12%"));
  EXPECT_TRUE(Same("12%", "12 percent"));
  EXPECT_FALSE(Same("12%", "0.12%"));
  EXPECT_FALSE(Same("12%", "1200"));
}

TEST(SameNumberTest, UnitsAreComparedIfBothHaveOne) {
  EXPECT_TRUE(Same("5 cm", "5"));
  EXPECT_TRUE(Same("5 cm", "5 \\text{ cm}"));
  EXPECT_FALSE(Same("5 cm", "5 km"));
}

TEST(SameNumberTest, ToleranceIsExactAtItsEdge) {
  EXPECT_TRUE(Same("3.3", "3", 0.3));
  EXPECT_FALSE(Same("3.3000000000000001", "3", 0.3));
  EXPECT_TRUE(Same("2.7", "3", 0.3));
  EXPECT_TRUE(Same("101", "100", 0, 0.01));
  EXPECT_FALSE(Same("101.01", "100", 0, 0.01));
  EXPECT_TRUE(Same("-101", "-100", 0, 0.01));
  // The larger of both counts.
  EXPECT_TRUE(Same("102", "100", 2, 0.01));
  EXPECT_TRUE(Same("12.1%", "0.12", 0.001));
}

TEST(PlainMathTest, HasOneSpellingForWhatMeansTheSame) {
  EXPECT_EQ(CanonicalMath("\\dfrac{1}{2}"), CanonicalMath("\\frac{1}{2}"));
  EXPECT_EQ(CanonicalMath("(1, 2)"), "(1,2)");
  EXPECT_EQ(CanonicalMath("\\left( 1 , 2 \\right)"), "(1,2)");
  EXPECT_EQ(CanonicalMath("$\\text{A}$"), "A");
  EXPECT_EQ(CanonicalMath("\\boxed{5}"), "5");
  EXPECT_EQ(CanonicalMath("a  b"), "a b");
  EXPECT_EQ(CanonicalMath("\\{1\\}"), "\\{1\\}");
  EXPECT_NE(CanonicalMath("\\frac{1}{23}"), CanonicalMath("\\frac{12}{3}"));
  EXPECT_NE(CanonicalMath("1 2"), CanonicalMath("12"));
  EXPECT_NE(CanonicalMath("{1}{2}"), CanonicalMath("12"));
}

}  // namespace
}  // namespace aha::rewards
