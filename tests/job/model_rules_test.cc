// The limits of a job file are those of the model. job/ does not include
// model/, so this test compares them.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/model_setup.h"
#include "model/generator.h"
#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ModelRulesTest, AJobsTemperaturesAreThoseThatTheGeneratorTakes) {
  for (const double temperature :
       {-1.0, 0.0, 1e-9, 9e-4, 1e-3, 1.0, 1000.0, 1001.0}) {
    const SamplingParams params = {.temperature =
                                       static_cast<float>(temperature)};
    const std::string refusal = ErrorWith(
        {absl::StrCat("stages[2].eval.sampling.temperature=", temperature)});
    EXPECT_EQ(refusal == "ok", params.Validate().ok())
        << temperature << ": " << refusal;
  }
}

TEST(ModelRulesTest, TheWidestHeadOfAJobIsTheModelsWidest) {
  for (const char* width : {"4096", "4104"}) {
    const auto job = ParseJob(kMinimalJob, "job.yaml", {});
    v1::Model model = job->model();
    model.mutable_architecture()->set_hidden_size(std::stoi(width));
    EXPECT_EQ(ErrorWith({absl::StrCat("model.architecture.hidden_size=",
                                      width)}) == "ok",
              SetUpModel(model).ok())
        << width;
  }
}

TEST(ModelRulesTest, AnArchitectureThatIsTooLargeIsNamedByItsKeyInTheJob) {
  const auto job = ParseJob(kMinimalJob, "job.yaml",
                            {"model.architecture.hidden_size=16384",
                             "model.architecture.num_attention_heads=16",
                             "model.architecture.num_key_value_heads=16",
                             "model.architecture.intermediate_size=65536",
                             "model.architecture.num_hidden_layers=256"});
  ASSERT_TRUE(job.ok()) << job.status();
  const std::string message(SetUpModel(job->model()).status().message());
  EXPECT_THAT(message, StartsWith("model.architecture."));
  EXPECT_THAT(message, HasSubstr("parameters"));
}

}  // namespace
}  // namespace aha
