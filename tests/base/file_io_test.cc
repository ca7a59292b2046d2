#include "base/file_io.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

class FileIoTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }
  std::string Written(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  size_t Entries() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(directory_),
                      std::filesystem::directory_iterator()));
  }

  const TempDir scratch_;
  const std::string& directory_ = scratch_.path();
};

TEST_F(FileIoTest, AFileAndADirectoryExistAndAMissingPathDoesNot) {
  EXPECT_TRUE(PathExists(Written("a", "")));
  EXPECT_TRUE(PathExists(directory_));
  EXPECT_FALSE(PathExists(Path("b")));
}

TEST_F(FileIoTest, ReadsBackWhatItWrote) {
  const std::string text("a\0b\n", 4);
  ASSERT_TRUE(WriteFileDurably(Path("x"), text).ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 4), text);
  ASSERT_TRUE(ReplaceFile(Path("x"), "new").ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 100), "new");
  EXPECT_EQ(Entries(), 1u);  // No temporary file is left.
}

TEST_F(FileIoTest, PiecesAreWrittenOneAfterTheOther) {
  const absl::string_view pieces[] = {"head", "", "body"};
  ASSERT_TRUE(WriteFileDurably(Path("x"), pieces).ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 100), "headbody");
}

TEST_F(FileIoTest, AFileOverTheLimitIsRefusedWithBothNumbers) {
  const absl::Status status = ReadWholeFile(Written("x", "12345"), 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("must have at most 4 bytes, has 5"));
}

TEST_F(FileIoTest, AMissingFileIsNotFoundOrEmptyAsAsked) {
  for (const std::string& path : {Path("x"), Written("file", "") + "/x"}) {
    const absl::Status status = ReadWholeFile(path, 9).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_EQ(*ReadFileIfThere(path, 9), "");
  }
  EXPECT_EQ(*ReadFileIfThere(Written("x", "text"), 9), "text");
  // The error is not mistaken for a missing file.
  EXPECT_FALSE(ReadFileIfThere(Path("x"), 3).ok());
}

// A pipe without a writer and a directory are refused; the reader does not
// wait.
TEST_F(FileIoTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {Path("pipe"), directory_}) {
    EXPECT_THAT(std::string(ReadWholeFile(path, 9).status().message()),
                HasSubstr("not a regular file"));
  }
}

TEST_F(FileIoTest, ReadsInOrderAndAtAnyPlace) {
  auto file = FileReader::Open(Written("x", "0123456789"));
  ASSERT_TRUE(file.ok());
  FileReader reader = *std::move(file);
  EXPECT_EQ(reader.size(), 10u);
  char bytes[4] = {};
  ASSERT_TRUE(reader.Read(bytes, 3).ok());
  EXPECT_STREQ(bytes, "012");
  ASSERT_TRUE(reader.ReadAt(7, bytes, 3).ok());
  EXPECT_STREQ(bytes, "789");
  ASSERT_TRUE(reader.Read(bytes, 3).ok());
  EXPECT_STREQ(bytes, "345");
  const absl::Status end = reader.ReadAt(9, bytes, 3);
  EXPECT_EQ(end.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(end.message()), HasSubstr("ends 2 bytes too early"));
}

TEST_F(FileIoTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(WriteFileDurably(Path("x"), "old").ok());
  // This is in the writer's way.
  std::filesystem::create_directory(Path("x.tmp"));
  EXPECT_FALSE(WriteFileDurably(Path("x"), "new").ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 9), "old");
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(FileIoTest, ErrorsHaveTheCodeOfTheirReason) {
  EXPECT_EQ(FileError("cannot write", "x", ENOSPC).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FileError("cannot write", "x", EACCES).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(FileError("cannot write", "x", EIO).code(),
            absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(FileError("cannot read", "/a/b", EIO).message()),
              HasSubstr("cannot read /a/b: Input/output error"));
}

TEST_F(FileIoTest, LinesFollowOneAnother) {
  ASSERT_TRUE(AppendLine(Path("x"), "one").ok());
  ASSERT_TRUE(AppendLine(Path("x"), "two").ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 100), "one\ntwo\n");
}

// A file-size limit cuts the line off as a full disk would.
TEST_F(FileIoTest, AnIncompleteLineDoesNotAbsorbTheNext) {
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_TRUE(AppendLine(Path("x"), "whole").ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{.rlim_cur = 10, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Status torn = AppendLine(Path("x"), "does not fit");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(torn)) << torn;
  ASSERT_TRUE(AppendLine(Path("x"), "next").ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 100), "whole\ndoes\nnext\n");
}

}  // namespace
}  // namespace aha
