#include "cli/report/event_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::EndsWith;
using ::testing::MatchesRegex;

TEST(EventTextTest, TimeEventProcessAndTextStandInOneLine) {
  EXPECT_THAT(
      EventText(run::Event{.time = 1764444665,
                           .event = "process died",
                           .process = "actor-0",
                           .text = "signal 9\n(Killed)"}),
      MatchesRegex("[0-9:]{8}  process died  actor-0  signal 9.n.Killed."));
}

TEST(EventTextTest, AnEventWithoutATimeHasNone) {
  EXPECT_EQ(EventText(run::Event{.event = "started", .text = "epoch 1"}),
            "  started  epoch 1");
}

TEST(EventTextTest, ALineOfTheFileIsReadAsAnEvent) {
  EXPECT_THAT(EventText(R"({"time":1,"event":"joined","text":"actor-0"})"),
              EndsWith("  joined  actor-0"));
  EXPECT_THAT(EventText("{}"), EndsWith("  ?"));
}

TEST(EventTextTest, ALineThatIsNotJsonStaysAndIsMadePrintable) {
  EXPECT_EQ(EventText("torn {\x1b[2J"), "torn {\\x1b[2J");
  EXPECT_EQ(EventText("[1]"), "[1]");
}

}  // namespace
}  // namespace aha::cli
