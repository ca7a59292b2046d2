#include "cli/term/output.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gtest/gtest.h"

namespace aha::cli {
namespace {

std::string Printed(Output output) {
  ::testing::internal::CaptureStdout();
  Print({{"name", "tiny"}, {"steps", 3}}, "NAME  STEPS\ntiny  3\n", output);
  return ::testing::internal::GetCapturedStdout();
}

std::string Streamed(Output output) {
  ::testing::internal::CaptureStdout();
  PrintStreamed({{"step", 1}}, output);
  PrintStreamed({{"step", 2}}, output);
  return ::testing::internal::GetCapturedStdout();
}

TEST(OutputTest, EachFormatHasItsName) {
  EXPECT_EQ(ParseOutput("json"), Output::kJson);
  EXPECT_EQ(ParseOutput("yaml"), Output::kYaml);
  EXPECT_EQ(ParseOutput("table"), Output::kTable);
  EXPECT_EQ(ParseOutput(""), Output::kTable);
}

TEST(OutputTest, PeopleGetTheTextAndProgramsTheValue) {
  EXPECT_EQ(Printed(Output::kTable), "NAME  STEPS\ntiny  3\n");
  EXPECT_EQ(Printed(Output::kJson),
            "{\n  \"name\": \"tiny\",\n"
            "  \"steps\": 3\n}\n");
  EXPECT_EQ(Printed(Output::kYaml), "name: tiny\nsteps: 3\n");
}

TEST(OutputTest, ASequenceIsALineOrADocumentEach) {
  EXPECT_EQ(Streamed(Output::kJson), "{\"step\":1}\n{\"step\":2}\n");
  EXPECT_EQ(Streamed(Output::kYaml), "---\nstep: 1\n---\nstep: 2\n");
}

}  // namespace
}  // namespace aha::cli
