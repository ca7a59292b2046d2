// Shell scripts in place of the services, for tests of supervision.
//
// The coordinator writes job.yaml and endpoint.json (with a port at which
// nothing serves) and ends when <run-dir>/end appears: with the exit code in
// it, after a summary.json with the state succeeded if that is 0.  The others
// note their pid below <bin>/pids/<name> and sleep; <bin>/refuse-<name> makes
// one exit with 78.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "cli/term/json.h"
#include "gtest/gtest.h"
#include "run/reader.h"
#include "tests/temp_dir.h"

namespace aha::cli {

inline constexpr char kFakeCoordinator[] = R"(#!/bin/bash
while [ $# -gt 0 ]; do
  [ "$1" = --run-dir ] && run=$2
  [ "$1" = --job ] && job=$2
  shift
done
echo "fake coordinator speaks"
cp "$job" "$run/job.yaml" 2>/dev/null
trap 'exit 0' TERM
printf '{"address": "127.0.0.1:1", "epoch": 1, "pid": %d}' $$ > "$run/endpoint.tmp"
mv "$run/endpoint.tmp" "$run/endpoint.json"
while [ ! -e "$run/end" ]; do sleep 0.05; done
code=$(cat "$run/end")
if [ "$code" = 0 ]; then
  printf '{"job": "tiny", "state": "succeeded", "seconds": 1, "checksum": "c0ffee"}' > "$run/summary.json"
fi
exit "$code"
)";

inline constexpr char kFakeMember[] = R"(#!/bin/bash
bin=$(dirname "$0")
while [ $# -gt 0 ]; do
  [ "$1" = --name ] && name=$2
  shift
done
if [ -e "$bin/refuse-$name" ]; then echo "certificate differs"; exit 78; fi
mkdir -p "$bin/pids"
echo $$ > "$bin/pids/$name.tmp" && mv "$bin/pids/$name.tmp" "$bin/pids/$name"
[ -e "$bin/stubborn" ] && trap '' TERM
echo "wait policy $OMP_WAIT_POLICY"
exec sleep 600
)";

class FakeServices {
 public:
  FakeServices() {
    Install("aha-coordinator", kFakeCoordinator);
    for (const char* program : {"aha-actor", "aha-reward", "aha-learner"}) {
      Install(program, kFakeMember);
    }
    std::filesystem::create_directories(run_dir());
  }

  std::string bin() const { return dir_.path() + "/bin"; }
  std::string run_dir() const { return dir_.path() + "/run"; }
  const TempDir& dir() const { return dir_; }

  void Install(const std::string& program, const std::string& text) {
    const std::string path = dir_.Write("bin/" + program, text);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  // Makes the coordinator end with this exit code.
  void End(int code) {
    EXPECT_TRUE(ReplaceFile(run_dir() + "/end", absl::StrCat(code)).ok());
  }

  // The pid of a member, 0 if it has not started yet.
  pid_t PidOf(const std::string& name) const {
    const auto text = ReadWholeFile(absl::StrCat(bin(), "/pids/", name));
    int pid = 0;
    return text.ok() && absl::SimpleAtoi(*text, &pid) ? pid : 0;
  }

  // Polls until `condition` holds, at most 20 s.
  static bool Eventually(const std::function<bool()>& condition) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

 private:
  TempDir dir_;
};

}  // namespace aha::cli
