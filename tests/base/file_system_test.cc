#include "base/file_system.h"

#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/fake_disk.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

const absl::string_view kNewPieces[] = {"new ", "content"};

absl::Status Replace(FakeDisk& disk, bool durably) {
  return durably ? WriteFileDurably(disk, "/run/x", kNewPieces)
                 : ReplaceFile(disk, "/run/x", "new content");
}

// A disk that holds the old content for sure.
FakeDisk DiskWithOldContent() {
  FakeDisk disk;
  const absl::string_view old = "old";
  EXPECT_TRUE(
      WriteFileDurably(disk, "/run/x", absl::MakeConstSpan(&old, 1)).ok());
  return disk;
}

TEST(WriteFileDurablyTest, APowerCutAtAnyMomentLeavesTheOldOrTheNewContent) {
  FakeDisk undisturbed = DiskWithOldContent();
  const int before = undisturbed.operations();
  ASSERT_TRUE(Replace(undisturbed, true).ok());
  const int operations = undisturbed.operations() - before;
  ASSERT_GE(operations, 6);  // Create, two writes, sync, close, rename, sync.
  for (const auto names : {FakeDisk::Names::kWritten, FakeDisk::Names::kLost}) {
    for (int cut = 0; cut <= operations; ++cut) {
      FakeDisk disk = DiskWithOldContent();
      disk.CutPowerAt(cut);
      const absl::Status written = Replace(disk, true);
      EXPECT_EQ(written.ok(), cut == operations);
      disk.Restart(names);
      EXPECT_THAT(disk.Text("/run/x"), AnyOf("old", "new content")) << cut;
      if (!written.ok()) continue;
      EXPECT_EQ(disk.Text("/run/x"), "new content");
    }
  }
}

TEST(WriteFileDurablyTest, AFileThatIsNewIsThereAfterAPowerCut) {
  FakeDisk disk;
  ASSERT_TRUE(Replace(disk, true).ok());
  disk.Restart(FakeDisk::Names::kLost);
  EXPECT_EQ(disk.Text("/run/x"), "new content");
}

TEST(WriteFileDurablyTest, APathWithoutADirectoryIsInTheWorkingDirectory) {
  FakeDisk disk;
  ASSERT_TRUE(WriteFileDurably(disk, "x", kNewPieces).ok());
  disk.Restart(FakeDisk::Names::kLost);
  EXPECT_EQ(disk.Text("x"), "new content");
}

// Only the directory's sync comes after the rename, so its failure alone leaves
// the new content there.
TEST(WriteFileDurablyTest, AnErrorLeavesOneContentWholeAndNoTemporaryFile) {
  for (const bool durably : {false, true}) {
    FakeDisk undisturbed = DiskWithOldContent();
    const int before = undisturbed.operations();
    ASSERT_TRUE(Replace(undisturbed, durably).ok());
    const int operations = undisturbed.operations() - before;
    for (int failing = 0; failing < operations; ++failing) {
      FakeDisk disk = DiskWithOldContent();
      disk.FailAt(failing);
      const absl::Status failed = Replace(disk, durably);
      EXPECT_TRUE(absl::IsResourceExhausted(failed)) << failed;
      EXPECT_THAT(std::string(failed.message()), HasSubstr("/run"));
      const bool renamed = durably && failing == operations - 1;
      EXPECT_EQ(disk.Text("/run/x"), renamed ? "new content" : "old")
          << failing;
      EXPECT_FALSE(disk.Has("/run/x.tmp")) << failing;
    }
  }
}

// The content of ReplaceFile is not synced: that is what makes it cheap.
TEST(ReplaceFileTest, ItSyncsNothing) {
  FakeDisk disk = DiskWithOldContent();
  ASSERT_TRUE(Replace(disk, false).ok());
  EXPECT_EQ(disk.Text("/run/x"), "new content");
  disk.Restart(FakeDisk::Names::kLost);
  EXPECT_EQ(disk.Text("/run/x"), "old");
}

TEST(AppendLineTest, EachLineIsOneWrite) {
  FakeDisk disk;
  ASSERT_TRUE(AppendLine(disk, "/run/lines", "one").ok());
  const int after_one = disk.operations();
  ASSERT_TRUE(AppendLine(disk, "/run/lines", "two").ok());
  EXPECT_EQ(disk.operations() - after_one, 3) << "open, write, close";
  EXPECT_EQ(disk.Text("/run/lines"), "one\ntwo\n");
  for (int failing = 0; failing < 3; ++failing) {
    disk.FailAt(failing);
    EXPECT_TRUE(
        absl::IsResourceExhausted(AppendLine(disk, "/run/lines", "three")));
  }
}

class RealFileSystemTest : public ::testing::Test {
 protected:
  FileSystem& files_ = RealFileSystem();
  const TempDir dir_;
};

TEST_F(RealFileSystemTest, AFileIsMadeWrittenAndMadeAnew) {
  auto file = files_.Create(dir_ / "x");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Write("ab").ok());
  ASSERT_TRUE((*file)->Write("").ok());
  ASSERT_TRUE((*file)->Write("c").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(*ReadWholeFile(dir_ / "x"), "abc");
  ASSERT_TRUE(files_.Create(dir_ / "x").ok());
  EXPECT_EQ(*ReadWholeFile(dir_ / "x"), "") << "what was there is lost";
}

TEST_F(RealFileSystemTest, WhatIsAppendedGoesToTheEndOfTheMoment) {
  auto one = files_.OpenToAppend(dir_ / "x");
  auto other = files_.OpenToAppend(dir_ / "x");
  ASSERT_TRUE(one.ok() && other.ok());
  ASSERT_TRUE((*one)->Write("1").ok());
  ASSERT_TRUE((*other)->Write("2").ok());
  ASSERT_TRUE((*one)->Write("3").ok());
  EXPECT_EQ(*ReadWholeFile(dir_ / "x"), "123");
}

TEST_F(RealFileSystemTest, RenameReplacesAndTruncateCuts) {
  dir_.Write("old", "old");
  dir_.Write("new", "newer");
  ASSERT_TRUE(files_.Rename(dir_ / "new", dir_ / "old").ok());
  EXPECT_EQ(*ReadWholeFile(dir_ / "old"), "newer");
  EXPECT_EQ(::access((dir_ / "new").c_str(), F_OK), -1);
  ASSERT_TRUE(files_.Truncate(dir_ / "old", 3).ok());
  EXPECT_EQ(*ReadWholeFile(dir_ / "old"), "new");
  ASSERT_TRUE(files_.Sync(dir_ / "old").ok());
  ASSERT_TRUE(files_.Sync(dir_.path()).ok());
}

// A name that cannot exist, since a file is in the place of its directory, does
// not exist either.
TEST_F(RealFileSystemTest, RemovingWhatIsNotThereIsDone) {
  const std::string file = dir_.Write("file", "");
  EXPECT_TRUE(files_.Remove(dir_ / "missing").ok());
  EXPECT_TRUE(files_.Remove(dir_ / "missing/x").ok());
  EXPECT_TRUE(files_.Remove(file + "/x").ok());
  EXPECT_TRUE(files_.Remove(file).ok());
  EXPECT_EQ(::access(file.c_str(), F_OK), -1);
  EXPECT_FALSE(files_.Remove(dir_.path()).ok()) << "a directory";
}

TEST_F(RealFileSystemTest, ErrorsNameThePathAndTheReason) {
  const std::string nowhere = dir_ / "nowhere/x";
  for (const absl::Status& status :
       {files_.Create(nowhere).status(), files_.OpenToAppend(nowhere).status(),
        files_.Truncate(nowhere, 0), files_.Rename(nowhere, nowhere),
        files_.Sync(nowhere)}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(nowhere));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("No such file or directory"));
  }
  EXPECT_THAT(std::string(files_.Create(dir_.path()).status().message()),
              HasSubstr("Is a directory"));
}

TEST_F(RealFileSystemTest, AFullDiskIsResourceExhausted) {
  auto full = files_.OpenToAppend("/dev/full");
  ASSERT_TRUE(full.ok()) << full.status();
  const absl::Status status = (*full)->Write("x");
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/full"));
}

// Several threads stand for several processes: each opens the file anew.
TEST_F(RealFileSystemTest, LinesOfSeveralWritersDoNotMix) {
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([this, w] {
      const std::string line(100 + 1000 * w, static_cast<char>('a' + w));
      for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(AppendLine(files_, dir_ / "x", line).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  int lines = 0;
  const std::string text = *ReadWholeFile(dir_ / "x");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    ++lines;
    const size_t writer = static_cast<size_t>(line[0] - 'a');
    ASSERT_LT(writer, 4u);
    ASSERT_EQ(line, std::string(100 + 1000 * writer, line[0]));
  }
  EXPECT_EQ(lines, 200);
}

TEST_F(RealFileSystemTest, AReaderNeverSeesAFileThatIsHalfReplaced) {
  const std::string path = dir_.Write("x", std::string(5000, 'a'));
  std::thread writer([&] {
    for (int i = 1; i < 200; ++i) {
      const std::string text(5000 + 100 * i, static_cast<char>('a' + i % 26));
      EXPECT_TRUE(ReplaceFile(files_, path, text).ok());
    }
  });
  bool last = false;
  while (!last) {
    const std::string text = *ReadWholeFile(path);
    ASSERT_EQ(text, std::string(text.size(), text[0]));
    ASSERT_GE(text.size(), 5000u);
    last = text.size() == 5000 + 100 * 199;
  }
  writer.join();
}

}  // namespace
}  // namespace aha
