#include "run/writer.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run/layout.h"
#include "run/reader.h"
#include "tests/temp_dir.h"

namespace aha::run {
namespace {

using ::testing::HasSubstr;

TEST(WriterTest, ADirectoryHasOneWriterAtATime) {
  const TempDir dir;
  const std::string path = dir / "a/b";
  auto first = RunWriter::Open(path);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = RunWriter::Open(path, "--runs").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second));
  EXPECT_THAT(std::string(second.message()),
              HasSubstr("--runs: another coordinator works in "));
  first->reset();
  EXPECT_TRUE(RunWriter::Open(path).ok());
}

TEST(WriterTest, ADirectoryThatCannotBeMadeIsRefusedWithItsFlag) {
  const TempDir dir;
  const std::string file = dir.Write("file", "");
  const absl::Status status = RunWriter::Open(file + "/run").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("--run-dir: cannot make " + file));
}

TEST(WriterTest, WhatIsWrittenIsWhatAReaderSees) {
  const TempDir dir;
  const auto writer = *RunWriter::Open(dir.path());
  ASSERT_TRUE(
      writer->WriteWhole(kSummaryFile, SummaryText({.job = "tiny"})).ok());
  ASSERT_TRUE(
      writer->AppendLine(kMetricsFile, MetricsLine({.step = 7, .stage = "s"}))
          .ok());
  writer->Event("joined", "actor actor-0");
  writer->Event("left", "actor actor-0");
  const RunReader reader(dir.path());
  EXPECT_EQ(reader.ReadSummary()->job, "tiny");
  EXPECT_EQ(reader.ReadMetrics()->at(0).step, 7u);
  const std::vector<Event> events = *reader.ReadEvents();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].event, "left");
  EXPECT_GT(events[1].time, 1e9);
}

TEST(WriterTest, RemovingAFileThatIsNotThereDoesNothing) {
  const TempDir dir;
  const auto writer = *RunWriter::Open(dir.path());
  writer->Remove(kSummaryFile);
  EXPECT_FALSE(std::filesystem::exists(dir / kSummaryFile));
}

TEST(WriterTest, AMatchStopsAtTheFirstErrorOfItsSource) {
  const TempDir dir;
  const auto writer = *RunWriter::Open(dir.path());
  EXPECT_TRUE(absl::IsDataLoss(writer->MatchMetrics([](const TakeLine& take) {
    EXPECT_TRUE(take("one").ok());
    return absl::DataLossError("row 2");
  })));
}

}  // namespace
}  // namespace aha::run
