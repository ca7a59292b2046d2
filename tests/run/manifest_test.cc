#include "run/manifest.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

class ManifestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteFileDurably(directory() + "/a", "some bytes").ok());
    manifest_.job = "j\"ob";
    manifest_.job_fingerprint = HashBytes("f", 1);
    manifest_.stage = 2;
    manifest_.stage_name = "rl";
    manifest_.next_step = 30;
    manifest_.stage_done = true;
    manifest_.world_size = 2;
    manifest_.dtype = "BF16";
    manifest_.weights_checksum = HashBytes("w", 1);
    manifest_.chain = HashBytes("c", 1);
    manifest_.num_tokens = 123456789012;
    manifest_.job_text = "name: \"job\"\n";
    auto part = MeasurePart(directory(), "a");
    ASSERT_TRUE(part.ok()) << part.status();
    manifest_.parts = {*part};
    ASSERT_TRUE(WriteManifest(directory(), manifest_).ok());
  }

  const std::string& directory() const { return scratch_.path(); }
  std::string path() const { return directory() + "/manifest.json"; }
  // Returns the result of reading after `from` was replaced by `to` in the
  // text.
  absl::Status AfterEdit(const std::string& from, const std::string& to) {
    const auto text = ReadWholeFile(path(), 1 << 20);
    const std::string edited = absl::StrReplaceAll(*text, {{from, to}});
    EXPECT_NE(edited, *text) << from;
    std::ofstream(path()) << edited;
    absl::Status status = ReadManifest(directory()).status();
    std::ofstream(path()) << *text;
    return status;
  }

  TempDir scratch_{Memory()};
  Manifest manifest_;
};

TEST_F(ManifestTest, ReadsBackWhatWasWritten) {
  const auto read = ReadManifest(directory());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, manifest_);
  EXPECT_TRUE(VerifyParts(directory(), *read).ok());
}

TEST_F(ManifestTest, WithoutAManifestThereIsNoCheckpoint) {
  std::filesystem::remove(path());
  EXPECT_TRUE(absl::IsNotFound(ReadManifest(directory()).status()));
}

TEST_F(ManifestTest, AValueNestedDeeperThanTheStackIsAnError) {
  const std::string deep(1 << 20, '[');
  const std::string text =
      absl::StrCat("{\"format\":", deep, std::string(deep.size(), ']'), "}");
  const auto read = ParseManifest(text, "m.json");
  EXPECT_TRUE(absl::IsDataLoss(read.status()));
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr("m.json: must be JSON nested at most 64 deep"));
}

TEST_F(ManifestTest, AFlippedByteOfAPartIsFoundAndThePartNamed) {
  std::fstream file(directory() + "/a",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(3);
  file.put('E');
  file.close();
  const absl::Status status = VerifyParts(directory(), manifest_);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("/a must have checksum"));
}

TEST_F(ManifestTest, AMissingOrShorterPartIsFound) {
  std::filesystem::resize_file(directory() + "/a", 4);
  EXPECT_THAT(std::string(VerifyParts(directory(), manifest_).message()),
              HasSubstr("must be 10 bytes long (manifest.json), is 4"));
  std::filesystem::remove(directory() + "/a");
  EXPECT_TRUE(absl::IsDataLoss(VerifyParts(directory(), manifest_)));
}

TEST_F(ManifestTest, RefusesWhatItDidNotWrite) {
  const auto message = [&](const std::string& from, const std::string& to) {
    const absl::Status status = AfterEdit(from, to);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(message("\"path\": \"a\"", "\"path\": \"../a\""),
              HasSubstr("must stay inside the checkpoint"));
  EXPECT_THAT(message("\"path\": \"a\"", "\"path\": \"/etc/passwd\""),
              HasSubstr("must stay inside the checkpoint"));
  EXPECT_THAT(message("\"next_step\": 30", "\"next_step\": -30"),
              HasSubstr("next_step must be an integer"));
  EXPECT_THAT(message("\"stage\": 2", "\"stage\": 1e99"), HasSubstr("stage"));
  EXPECT_THAT(message("\"stage_done\": true", "\"stage_done\": 1"),
              HasSubstr("stage_done must be true or false"));
  EXPECT_THAT(message("\"chain\"", "\"chian\""), HasSubstr("chain is missing"));
  EXPECT_THAT(message("\"format\": 1", "\"format\": 2"),
              HasSubstr("format must be 1, is 2"));
  EXPECT_THAT(message("\"format\": 1", "\"format\": 1, \"extra\": 0"),
              HasSubstr("extra is not a known key"));
  EXPECT_THAT(message("{", "["), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("\"next_step\": 30", "\"next_step\": 31"),
              HasSubstr("its content was changed"));
}

TEST_F(ManifestTest, AFailedWriteLeavesTheOldContent) {
  const std::string nowhere = directory() + "/none/manifest.json";
  const absl::Status status = WriteFileDurably(nowhere, "x");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(nowhere));
  EXPECT_TRUE(ReadManifest(directory()).ok());
}

}  // namespace
}  // namespace aha
