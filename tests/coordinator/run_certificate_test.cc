// The certificate of a run, in its store.
#include "coordinator/run_certificate.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

class RunCertificateTest : public ::testing::Test {
 protected:
  static v1::Certificate Sample() {
    v1::Certificate certificate;
    certificate.set_digest("digest");
    certificate.set_numeric_class("AVX-512, oneDNN 2.7");
    (*certificate.mutable_inputs())["prompts.file"] = "12 bytes\tabc";
    (*certificate.mutable_inputs())["model.path"] = "";
    return certificate;
  }
  const TempDir dir_;
  const std::unique_ptr<StateStore> store_ =
      *StateStore::Open(dir_ / "coordinator.db");
};

TEST_F(RunCertificateTest, ARunWithoutResultsHasNone) {
  EXPECT_FALSE(LoadCertificate(*store_)->has_value());
  ASSERT_TRUE(StoreCertificate(Sample(), *store_).ok());
  EXPECT_FALSE(LoadCertificate(*store_)->has_value())
      << "any machine may begin it";
}

TEST_F(RunCertificateTest, ItComesBackAsItWasStored) {
  ASSERT_TRUE(StoreCertificate(Sample(), *store_).ok());
  ASSERT_TRUE(store_->PutCommit({}, 1).ok());
  const auto loaded = LoadCertificate(*store_);
  ASSERT_TRUE(loaded.ok() && loaded->has_value()) << loaded.status();
  EXPECT_EQ((*loaded)->digest(), "digest");
  EXPECT_EQ((*loaded)->numeric_class(), "AVX-512, oneDNN 2.7");
  ASSERT_EQ((*loaded)->inputs().size(), 2u);
  EXPECT_EQ((*loaded)->inputs().at("prompts.file"), "12 bytes\tabc");
  EXPECT_EQ((*loaded)->inputs().at("model.path"), "");
}

TEST_F(RunCertificateTest, ALaterOneReplacesIt) {
  ASSERT_TRUE(store_->PutCommit({}, 1).ok());
  ASSERT_TRUE(StoreCertificate(Sample(), *store_).ok());
  v1::Certificate later;
  later.set_digest("later");
  ASSERT_TRUE(StoreCertificate(later, *store_).ok());
  const auto loaded = LoadCertificate(*store_);
  EXPECT_EQ((*loaded)->digest(), "later");
  EXPECT_TRUE((*loaded)->inputs().empty());
}

}  // namespace
}  // namespace aha::coordinator
