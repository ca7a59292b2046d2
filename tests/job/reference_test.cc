// docs/job-file.md is generated from the schema.  After a change of the schema:
//   AHA_UPDATE_DOCS=1 build/release/tests/job_test --gtest_filter='Reference*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/file/explain.h"

namespace aha {
namespace {

TEST(ReferenceTest, TheCommittedPageIsUpToDate) {
  const std::string path = absl::StrCat(AHA_SOURCE_DIR, "/docs/job-file.md");
  if (std::getenv("AHA_UPDATE_DOCS") != nullptr) {
    std::ofstream(path) << JobFileReference();
  }
  std::ifstream file(path);
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(committed == JobFileReference())
      << path << " is out of date; run this test with AHA_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace aha
