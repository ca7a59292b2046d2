#include "rpc/access.h"

#include <string>
#include <vector>

#include "aha/v1/admin.pb.h"
#include "aha/v1/coordinator.pb.h"
#include "aha/v1/reward.pb.h"
#include "aha/v1/rollout.pb.h"
#include "aha/v1/weights.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"

namespace aha::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kRoles = {"actor", "reward", "learner", "admin",
                                         "coordinator"};

bool May(const std::string& role, const std::string& path) {
  return CheckCaller(path, {role}).ok();
}

TEST(AccessTest, RolesAreTheUrisOfOursAndNothingElse) {
  EXPECT_THAT(RolesOf(std::vector<std::string>{
                  "spiffe://a/b", "urn:aha:role:actor", "urn:aha:role:admin",
                  "URN:aha:role:learner"}),
              ElementsAre("actor", "admin"));
  EXPECT_THAT(RolesOf(std::vector<std::string>{}), IsEmpty());
}

TEST(AccessTest, OnlyLearnersCommitAndOnlyActorsLease) {
  for (const std::string& role : kRoles) {
    EXPECT_EQ(May(role, "/aha.v1.Coordinator/CommitStep"), role == "learner");
    EXPECT_EQ(May(role, "/aha.v1.Weights/Publish"), role == "learner");
    EXPECT_EQ(May(role, "/aha.v1.Coordinator/LeaseGroups"), role == "actor");
    EXPECT_EQ(May(role, "/aha.v1.GroupSink/Deliver"), role == "reward");
    EXPECT_EQ(May(role, "/aha.v1.Admin/StopJob"), role == "admin");
  }
}

TEST(AccessTest, AnyCertificateMayCallHealthAndNoneMayCallUnknownMethods) {
  EXPECT_TRUE(CheckCaller("/grpc.health.v1.Health/Check", {}).ok());
  for (const char* path :
       {"/aha.v1.Admin/NoSuchMethod", "/aha.v1.Nothing/GetJob", "/", "",
        "/grpc.health.v1.HealthX/Check", "aha.v1.Admin"}) {
    for (const std::string& role : kRoles) EXPECT_FALSE(May(role, path));
  }
}

// A method without a statement about its callers fails here.
TEST(AccessTest, EveryMethodNamesCallersThatExist) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const google::protobuf::FileDescriptor* file :
       {v1::GetJobRequest::descriptor()->file(),
        v1::RegisterRequest::descriptor()->file(),
        v1::SubmitRequest::descriptor()->file(),
        v1::DeliverRequest::descriptor()->file(),
        v1::FetchRequest::descriptor()->file()}) {
    ASSERT_GT(file->service_count(), 0) << file->name();
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        const std::string path =
            "/" + file->service(s)->full_name() + "/" + method->name();
        int callers = 0;
        for (const std::string& role : kRoles) callers += May(role, path);
        EXPECT_GT(callers, 0) << path;
        EXPECT_LT(callers, 4) << path;
        EXPECT_FALSE(May("", path)) << path;
      }
    }
  }
  ASSERT_NE(pool->FindServiceByName("aha.v1.Admin"), nullptr);
}

}  // namespace
}  // namespace aha::rpc
