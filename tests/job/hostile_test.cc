// Reads files that are not job files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "tests/job/minimal_job.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(HostileTest, EmptyFilesSaySo) {
  EXPECT_EQ(ErrorOf(""), "job.yaml: is empty");
  EXPECT_EQ(ErrorOf(" \n\t\n"), "job.yaml: is empty");
  EXPECT_THAT(ErrorOf("# only a comment\n"), StartsWith("job.yaml"));
  EXPECT_THAT(ErrorOf("just text"), HasSubstr("must be a map of keys"));
  EXPECT_THAT(ErrorOf("[1, 2]"), HasSubstr("must be a map of keys, is a list"));
}

TEST(HostileTest, BinaryFilesSaySo) {
  EXPECT_EQ(ErrorOf(std::string("\x7F"
                                "ELF\0\1",
                                6)),
            "job.yaml: must be UTF-8 text, has byte 0x7f at offset 0");
  EXPECT_THAT(ErrorOf(std::string("name: a\0b", 9)),
              HasSubstr("byte 0x00 at offset 7"));
  EXPECT_THAT(ErrorOf("name: \xC3\x28"), HasSubstr("byte 0xc3 at offset 6"));
  EXPECT_THAT(ErrorOf("name: \xED\xA0\x80"), HasSubstr("byte 0xed"));
  EXPECT_THAT(ErrorOf("name: \xF4\x90\x80\x80"), HasSubstr("byte 0xf4"));
  EXPECT_THAT(ErrorOf("name: \xE2\x82"), HasSubstr("byte 0xe2"));
}

TEST(HostileTest, HugeFilesAreRefused) {
  EXPECT_THAT(ErrorOf(std::string(300'000, 'a')),
              HasSubstr("must have at most 262144 bytes, has 300000"));
}

TEST(HostileTest, AliasesAnchorsAndTagsAreRefusedWithTheirLine) {
  EXPECT_EQ(ErrorOf("a: 1\nb: &x [1]\n"),
            "job.yaml:2: anchors (&name) are not supported");
  EXPECT_THAT(ErrorOf("a: *x\n"), StartsWith("job.yaml:1: "));
  EXPECT_THAT(ErrorOf("a: !!python/object:os.system x\n"),
              HasSubstr("are not supported"));
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [*a", i - 1, ", *a", i - 1,
                    "]\n");
  }
  EXPECT_THAT(ErrorOf(bomb), HasSubstr("anchors"));
}

TEST(HostileTest, DeepNestingIsRefused) {
  for (const char* piece : {"[", "{a: ", "- ", "? "}) {
    std::string deep;
    while (deep.size() < 200'000) deep += piece;
    EXPECT_THAT(ErrorOf(deep), StartsWith("job.yaml")) << piece;
  }
}

TEST(HostileTest, BrokenYamlIsNamedWithItsLine) {
  EXPECT_THAT(ErrorOf("name: x\nmodel: [1,\n"),
              HasSubstr("job.yaml:3: not valid YAML: "));
  EXPECT_THAT(ErrorOf("name: x\n  seed: 3\n"),
              HasSubstr("job.yaml:2: not valid YAML"));
  EXPECT_THAT(ErrorOf("{a: 1}: 2\n"), HasSubstr("a key must be a name"));
  EXPECT_THAT(ErrorOf("name: a\n---\nname: b\n"),
              HasSubstr("must hold one YAML document"));
}

TEST(HostileTest, MutatedFilesAreReadOrRefused) {
  const RandomKey key(2, RandomPurpose::kTest);
  const std::string alphabet = "{}[]:,-#&*!|>'\"%@` \n\t?a0.\\";
  int refused = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    std::string text(kMinimalJob);
    for (uint64_t j = 0; j < 3; ++j) {
      const uint64_t draw = 8 * i + 2 * j;
      const uint32_t at = key.Below(draw, static_cast<uint32_t>(text.size()));
      text[at] =
          alphabet[key.Below(draw + 1, static_cast<uint32_t>(alphabet.size()))];
    }
    const std::string error = ErrorOf(text);
    if (error == "ok") continue;
    ++refused;
    EXPECT_THAT(error, StartsWith("job.yaml")) << text;
  }
  EXPECT_GT(refused, 1000);
}

class JobFileTest : public ::testing::Test {
 protected:
  const TempDir scratch_;
  const std::string& directory_ = scratch_.path();
};

TEST_F(JobFileTest, LoadsAFileAndNamesItInErrors) {
  const std::string path = directory_ + "/x.yaml";
  std::ofstream(path) << kMinimalJob;
  ASSERT_TRUE(LoadJob(path).ok());
  EXPECT_TRUE(LoadJob(path, {"seed=3"}).ok());
  std::ofstream(path) << kMinimalJob << "sed: 1\n";
  EXPECT_EQ(LoadJob(path).status().message(),
            path + ":21: sed: unknown key; did you mean seed?");
}

TEST_F(JobFileTest, MissingFilesAndDirectoriesSaySo) {
  const absl::Status missing = LoadJob(directory_ + "/none").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.ToString(), HasSubstr("/none: No such file"));
  EXPECT_THAT(LoadJob(directory_).status().ToString(),
              HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace aha
