// Reads the golden files of tests/golden and finds the real model, for tests of
// text/ and model/.
#pragma once

#include <string>

#include "base/file_io.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace aha {

inline std::string GoldenPath(const std::string& name) {
  return std::string(AHA_SOURCE_DIR "/tests/golden/") + name;
}

inline std::string FileText(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadWholeFile(path, 1 << 30);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

inline nlohmann::json Golden(const std::string& name) {
  return nlohmann::json::parse(FileText(GoldenPath(name)));
}

inline std::string SmolLm2() {
  return AHA_SOURCE_DIR "/models/SmolLM2-135M-Instruct";
}

}  // namespace aha

// Skips a test against the real model with a message that cannot be overlooked.
#define AHA_SKIP_WITHOUT_SMOLLM2()                                         \
  if (!std::filesystem::exists(aha::SmolLm2())) {                          \
    GTEST_SKIP() << "NOT COMPARED with the real model: " << aha::SmolLm2() \
                 << " is missing (`make models`)";                         \
  }
