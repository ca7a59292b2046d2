// What each writer of a run directory leaves behind on a disk that fills up, at
// every byte at which that can happen.
#include "tests/run/full_disk.h"

#include <filesystem>
#include <functional>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "run/layout.h"
#include "run/lines.h"
#include "run/summary.h"
#include "run/writer.h"
#include "tests/temp_dir.h"

namespace aha::run {
namespace {

using ::testing::HasSubstr;

constexpr char kOld[] = "{\"old\": true}\n";

class FullDiskTest : public ::testing::Test {
 protected:
  std::string Content(const char* name) const {
    return ReadFileIfThere(dir_ / name, 1 << 20).value_or("?");
  }
  // Writes with room for 0, 1, 2, ... bytes until the write succeeds; `check`
  // sees the outcome of each.  Returns how often the disk was full.
  int FillUp(const std::function<absl::Status(RunWriter&)>& write,
             const std::function<void(const absl::Status&)>& check) {
    for (size_t room = 0;; ++room) {
      FullDisk disk(room);
      const absl::Status status =
          write(**RunWriter::Open(dir_.path(), "--run-dir", disk));
      if (!status.ok()) {
        EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
        EXPECT_THAT(std::string(status.message()),
                    HasSubstr("No space left on device"));
      }
      check(status);
      if (status.ok()) return static_cast<int>(room);
    }
  }

  const TempDir dir_{Memory()};
};

TEST_F(FullDiskTest, AWholeFileKeepsItsOldContentAndTheTemporaryIsRemoved) {
  const std::string text = SummaryText({.job = "tiny"});
  dir_.Write(kSummaryFile, kOld);
  const int full = FillUp(
      [&](RunWriter& writer) { return writer.WriteWhole(kSummaryFile, text); },
      [&](const absl::Status& status) {
        if (!status.ok()) {
          EXPECT_EQ(Content(kSummaryFile), kOld);
        }
        EXPECT_FALSE(std::filesystem::exists(dir_ / "summary.json.tmp"));
      });
  EXPECT_EQ(full, static_cast<int>(text.size()));
  EXPECT_EQ(Content(kSummaryFile), text);
}

TEST_F(FullDiskTest, ALineThatDidNotFitLeavesTheLinesBeforeAndAfterWhole) {
  for (size_t room = 0; room < 12; ++room) {
    dir_.Write(kMetricsFile, "{\"step\":0}\n");
    {
      FullDisk disk(room);
      const auto writer = *RunWriter::Open(dir_.path(), "--run-dir", disk);
      EXPECT_EQ(writer->AppendLine(kMetricsFile, "{\"step\":1}").ok(),
                room >= 11);
    }
    const auto writer = *RunWriter::Open(dir_.path());
    ASSERT_TRUE(writer->AppendLine(kMetricsFile, "{\"step\":2}").ok());
    int broken = 0;
    const auto lines = ParseJsonLines(Content(kMetricsFile), &broken);
    EXPECT_EQ(NumberOr(lines.front(), "step", -1), 0) << room;
    EXPECT_EQ(NumberOr(lines.back(), "step", -1), 2) << room;
    // With room for all but the newline, the line itself is whole.
    EXPECT_EQ(lines.size(), room >= 10 ? 3u : 2u) << room;
    EXPECT_EQ(broken, room > 0 && room < 10 ? 1 : 0) << room;
  }
}

TEST_F(FullDiskTest, AnEventThatDoesNotFitIsNoErrorOfTheRun) {
  FullDisk disk(5);
  const auto writer = *RunWriter::Open(dir_.path(), "--run-dir", disk);
  writer->Event("joined", "actor actor-0");
  EXPECT_EQ(Content(kEventsFile), "{\"tim");
}

TEST_F(FullDiskTest, MetricsThatDidNotFitAreCompletedByTheNextMatch) {
  const std::vector<std::string> lines = {"{\"step\":0}", "{\"step\":1}",
                                          "{\"step\":2}"};
  const auto match = [&](RunWriter& writer) {
    return writer.MatchMetrics([&](const TakeLine& take) -> absl::Status {
      for (const std::string& line : lines) {
        if (const absl::Status status = take(line); !status.ok()) return status;
      }
      return absl::OkStatus();
    });
  };
  const std::string all = "{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n";
  // Each attempt gets a byte more than the one before and finds what that left.
  const int full = FillUp(match, [&](const absl::Status&) {
    EXPECT_TRUE(absl::StartsWith(all, Content(kMetricsFile)));
  });
  EXPECT_GT(full, 0);
  EXPECT_EQ(Content(kMetricsFile), all);
}

TEST_F(FullDiskTest, ThePeakMemoryOfASummaryIsReplacedOrTheSummaryStays) {
  const std::string before =
      SummaryText({.job = "tiny", .checksum = "c0ffee", .peak_rss_bytes = 1});
  for (size_t room = 0;; ++room) {
    const std::string path = dir_.Write(kSummaryFile, before);
    FullDisk disk(room);
    const absl::Status status = SetPeakMemory(disk, path, 4096);
    const Summary summary = *ParseSummary(Content(kSummaryFile), "summary");
    EXPECT_EQ(summary.checksum, "c0ffee");
    EXPECT_EQ(summary.peak_rss_bytes, status.ok() ? 4096u : 1u);
    if (status.ok()) break;
    EXPECT_EQ(Content(kSummaryFile), before);
  }
}

TEST_F(FullDiskTest, AFileIsRemovedAlsoWhenTheDiskIsFull) {
  dir_.Write(kSummaryFile, kOld);
  FullDisk disk(0);
  (*RunWriter::Open(dir_.path(), "--run-dir", disk))->Remove(kSummaryFile);
  EXPECT_FALSE(std::filesystem::exists(dir_ / kSummaryFile));
}

}  // namespace
}  // namespace aha::run
