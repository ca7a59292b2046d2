#include "base/file_io.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, Path("socket").c_str(),
               sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)),
            0);
  for (const std::string& path :
       {Path("pipe"), Path("socket"), directory_, std::string("/dev/zero")}) {
    const absl::Status status = ReadWholeFile(path, 9).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("not a regular file"));
  }
  ::close(socket);
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

// What was read before counts neither in the result nor against the limit.
TEST_F(FileIoTest, TheRestOfAFileIsWhatWasNotReadYet) {
  auto file = FileReader::Open(Written("x", "0123456789"));
  ASSERT_TRUE(file.ok());
  char bytes[6] = {};
  ASSERT_TRUE(file->Read(bytes, 6).ok());
  ASSERT_TRUE(file->ReadAt(0, bytes, 2).ok()) << "it moves nothing";
  const auto rest = file->ReadToEnd(4);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, "6789");
  EXPECT_EQ(*file->ReadToEnd(4), "") << "all of it was read";
}

TEST_F(FileIoTest, TheRestOfAFileMayBeLessThanWasPromisedOrMore) {
  auto file = FileReader::Open(Written("x", "0123456789"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(AppendLine(Path("x"), "grown").ok());
  char bytes[8] = {};
  ASSERT_TRUE(file->Read(bytes, 8).ok());
  const absl::Status over = file->ReadToEnd(5).status();
  EXPECT_THAT(std::string(over.message()),
              HasSubstr("must have at most 5 bytes, has 9"));
  ASSERT_EQ(::truncate(Path("x").c_str(), 3), 0);
  EXPECT_EQ(*file->ReadToEnd(5), "");
}

// The size of a file in /proc is 0.
TEST_F(FileIoTest, FilesOfTheKernelAreReadWhole) {
  EXPECT_THAT(*ReadWholeFile("/proc/self/status"), HasSubstr("Name:"));
  EXPECT_FALSE(ReadWholeFile("/proc/self/status", 10).ok());
}

TEST_F(FileIoTest, WhatLiesBeyondTheEndIsDataLossHoweverFar) {
  auto file = FileReader::Open(Written("x", "0123456789"));
  ASSERT_TRUE(file.ok());
  char byte = 0;
  for (const uint64_t offset :
       {uint64_t{10}, uint64_t{1} << 40, uint64_t{1} << 63, ~uint64_t{0}}) {
    const absl::Status status = file->ReadAt(offset, &byte, 1);
    EXPECT_TRUE(absl::IsDataLoss(status)) << offset << ": " << status;
    EXPECT_TRUE(file->ReadAt(offset, &byte, 0).ok()) << "nothing is asked for";
  }
}

TEST_F(FileIoTest, AReaderThatMovesKeepsItsPlace) {
  auto opened = FileReader::Open(Written("x", "0123456789"));
  ASSERT_TRUE(opened.ok());
  char bytes[3] = {};
  ASSERT_TRUE(opened->Read(bytes, 2).ok());
  FileReader moved = *std::move(opened);
  EXPECT_EQ(moved.path(), Path("x"));
  ASSERT_TRUE(moved.Read(bytes, 2).ok());
  EXPECT_STREQ(bytes, "23");
}

TEST_F(FileIoTest, AWriterReplacesWhatWasThere) {
  auto created = FileWriter::Create(Written("x", "much longer than the new"));
  ASSERT_TRUE(created.ok());
  FileWriter writer = *std::move(created);
  ASSERT_TRUE(writer.Write("one ", 4).ok());
  ASSERT_TRUE(writer.Write(nullptr, 0).ok());
  ASSERT_TRUE(writer.Write("two", 3).ok());
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_EQ(*ReadWholeFile(Path("x"), 100), "one two");
}

TEST_F(FileIoTest, AWriterReportsAFullDiskAndWhatItCannotCreate) {
  auto full = FileWriter::Create("/dev/full");
  ASSERT_TRUE(full.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(full->Write("x", 1)));
  EXPECT_TRUE(full->Close().ok());
  EXPECT_TRUE(absl::IsNotFound(FileWriter::Create(Path("no/x")).status()));
  EXPECT_THAT(std::string(FileWriter::Create(directory_).status().message()),
              HasSubstr("Is a directory"));
}

TEST_F(FileIoTest, SyncingReportsTheFirstFileThatIsNotThere) {
  const std::string there = Written("x", "x");
  EXPECT_TRUE(SyncPath(there).ok());
  EXPECT_TRUE(SyncPath(directory_).ok());
  EXPECT_TRUE(SyncAll({}).ok());
  EXPECT_TRUE(SyncAll({there, there, directory_}).ok());
  const absl::Status status = SyncAll({there, Path("gone"), Path("lost")});
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("gone"));
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
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    EXPECT_EQ(FileError("cannot write", "x", full).code(),
              absl::StatusCode::kResourceExhausted);
  }
  for (const int denied : {EACCES, EPERM, EROFS}) {
    EXPECT_EQ(FileError("cannot write", "x", denied).code(),
              absl::StatusCode::kPermissionDenied);
  }
  for (const int missing : {ENOENT, ENOTDIR}) {
    EXPECT_EQ(FileError("cannot write", "x", missing).code(),
              absl::StatusCode::kNotFound);
  }
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
