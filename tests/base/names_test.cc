#include "base/names.h"

#include "base/status.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

enum class Colour { kRed, kGreen, kBlue };
constexpr NamedValue<Colour> kColours[] = {{Colour::kRed, "red"},
                                           {Colour::kGreen, "green"}};

TEST(NamesTest, AValueIsFoundByItsNameAndItsNameByTheValue) {
  EXPECT_EQ(*ValueOfName("colour", kColours, "green"), Colour::kGreen);
  EXPECT_EQ(NameOfValue(kColours, Colour::kGreen), "green");
  EXPECT_EQ(NameOfValue(kColours, Colour::kBlue), "") << "it has no row";
}

TEST(NamesTest, AnUnknownNameIsAnsweredWithTheFieldAndTheKnownNames) {
  EXPECT_EQ(
      ValueOfName("colour", kColours, "rde").status(),
      absl::InvalidArgumentError("colour must be red or green, got 'rde'"));
}

TEST(AnnotateTest, AnErrorKeepsItsCodeAndOkStaysOk) {
  EXPECT_EQ(Annotate("a.json", absl::DataLossError("line 3 is cut")),
            absl::DataLossError("a.json: line 3 is cut"));
  EXPECT_TRUE(Annotate("a.json", absl::OkStatus()).ok());
}

}  // namespace
}  // namespace aha
