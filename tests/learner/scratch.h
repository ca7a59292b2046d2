// A directory of a test's own, removed at the end of the scope.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "gtest/gtest.h"

namespace aha {

class ScratchDirectory {
 public:
  // In memory where there is such a place: tests do not wait for the disk.
  ScratchDirectory()
      : path_((std::filesystem::exists("/dev/shm") ? "/dev/shm"
                                                   : testing::TempDir()) +
              "/aha_learner_XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace aha
