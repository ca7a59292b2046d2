// Runs every fuzzer once over its committed corpus, so that an error that was
// found cannot return.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"

// AHA_FUZZERS lists them: X(job_fuzz) X(gguf_fuzz) ... (cmake/Sanitized.cmake).
#define X(name) extern "C" int name(const uint8_t* data, size_t size);
AHA_FUZZERS
#undef X

namespace aha {
namespace {

struct Fuzzer {
  const char* name;
  int (*run)(const uint8_t*, size_t);
};

class ReplayTest : public ::testing::TestWithParam<Fuzzer> {};

TEST_P(ReplayTest, EveryInputIsAcceptedOrRefused) {
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(AHA_SOURCE_DIR "/tests/fuzz/corpus/") +
           GetParam().name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    // This is printed first, so that a crash names its input.
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout);
    EXPECT_EQ(GetParam().run(reinterpret_cast<const uint8_t*>(bytes.data()),
                             bytes.size()),
              0);
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

#define X(name) Fuzzer{#name, &name},
INSTANTIATE_TEST_SUITE_P(Parsers, ReplayTest,
                         ::testing::ValuesIn(std::vector<Fuzzer>{AHA_FUZZERS}),
                         [](const auto& test) { return test.param.name; });
#undef X

}  // namespace
}  // namespace aha
