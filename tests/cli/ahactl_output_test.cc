// What ahactl prints, and where: called by a shell, since a user's is what
// closes and redirects.
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/ahactl_fixture.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;

struct Said {
  int code = -1;
  std::string text;  // What was left of stdout and stderr.
};

class AhactlOutputTest : public ::testing::Test {
 protected:
  AhactlOutputTest() {
    dir().Write("job.yaml", kJob);
    dir().Write("runs/tiny/job.yaml", kJob);
    dir().Write(
        "runs/tiny/summary.json",
        R"({"job": "tiny", "state": "succeeded", "checksum": "c0ffee"})");
  }

  const TempDir& dir() const { return services_.dir(); }

  // Runs a line of bash; `ahactl` is the binary under test.
  Said Shell(const std::string& line) const {
    const std::string script = dir().Write(
        "script", absl::StrCat("cd '", dir().path(), "' || exit 126\n",
                               "export AHA_BIN_DIR='", services_.bin(), "'\n",
                               "ahactl() { " AHA_BIN_DIR "/ahactl \"$@\"; }\n",
                               line, "\n"));
    FILE* pipe = ::popen(absl::StrCat("bash '", script, "' 2>&1").c_str(), "r");
    Said said;
    char buffer[4096];
    size_t got = 0;
    while ((got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
      said.text.append(buffer, got);
    }
    const int status = ::pclose(pipe);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return said;
  }

  FakeServices services_;
};

TEST_F(AhactlOutputTest, OutputThatDidNotArriveIsAnErrorWithItsReason) {
  for (const char* command : {"job get tiny -o json", "job list", "version",
                              "config explain", "completion bash", "--help"}) {
    const Said said = Shell(absl::StrCat("ahactl ", command, " >/dev/full"));
    EXPECT_EQ(said.code, 1) << command;
    EXPECT_EQ(said.text,
              "ahactl: stdout: not everything could be written: No space left "
              "on device\n")
        << command;
  }
  EXPECT_EQ(Shell("ahactl job get nobody >/dev/full").code, 4);
}

TEST_F(AhactlOutputTest, WhatARunSaysToAClosedStdoutIsInNoFile) {
  services_.End(0);
  const Said said = Shell("ahactl run job.yaml --dir run >&-");
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_EQ(*ReadWholeFile(dir().path() + "/run/supervisor.lock"), "");
}

TEST_F(AhactlOutputTest, JsonThatIsNestedTooDeepIsABrokenLineNotACrash) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  dir().Write("runs/tiny/events.jsonl",
              absl::StrCat("{\"event\": \"a\", \"x\": ", deep, "}\n"));
  dir().Write("runs/tiny/rollouts/step-000003.jsonl",
              absl::StrCat(R"({"step":3,"slot":0,"sample":0,"reward":1})",
                           "\n{\"step\":3,\"slot\":0,\"sample\":1,\"x\":", deep,
                           "}\n"));
  dir().Write("runs/deep/summary.json",
              absl::StrCat("{\"job\": \"deep\", \"x\": ", deep, "}"));
  const Said shown = Shell("ahactl rollout show tiny -o json");
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.text, HasSubstr("1 broken line left out"));
  EXPECT_EQ(Shell("ahactl rollout list tiny -o yaml").code, 0);
  EXPECT_EQ(Shell("ahactl job events tiny").code, 0);
  const Said events = Shell("ahactl job events tiny -o json");
  EXPECT_EQ(events.code, 0);
  EXPECT_THAT(events.text, HasSubstr("\"broken\""));
  for (const char* format : {"table", "json", "yaml"}) {
    EXPECT_EQ(Shell(absl::StrCat("ahactl job describe deep -o ", format)).code,
              0)
        << format;
    EXPECT_EQ(Shell(absl::StrCat("ahactl job describe tiny -o ", format)).code,
              0)
        << format;
  }
}

TEST_F(AhactlOutputTest, WhatIsNotKnownOfAnEndedRunIsLeftOut) {
  const Said got = Shell("ahactl job get tiny -o json");
  const Json job = Json::parse(got.text, nullptr, false);
  EXPECT_EQ(TextOr(job, "checksum", ""), "c0ffee") << got.text;
  for (const char* key :
       {"started_unix_seconds", "current_stage", "weights_checksum"}) {
    EXPECT_FALSE(job.contains(key)) << got.text;
  }
}

TEST_F(AhactlOutputTest, AJobThatHasSucceededNeedsNoContinuation) {
  const Said said = Shell("ahactl actor list --dir runs/tiny");
  EXPECT_EQ(said.code, 5);
  EXPECT_EQ(said.text,
            "ahactl: the job in runs/tiny has succeeded, so none of its "
            "processes runs\n");
  std::filesystem::remove(dir().path() + "/runs/tiny/summary.json");
  EXPECT_THAT(Shell("ahactl actor list --dir runs/tiny").text,
              HasSubstr("ahactl run --resume --dir runs/tiny"));
}

}  // namespace
}  // namespace aha::cli
