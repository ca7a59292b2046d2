#include "coordinator/weights_store.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "job/weights_encoding.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

constexpr WeightsId kId{.stage = 1, .version = 4};

std::string Bytes(size_t size, char salt = 0) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(i * 7 + i / 251 + salt);
  }
  return bytes;
}

class WeightsStoreTest : public ::testing::Test {
 protected:
  WeightsStoreTest() : store_(*WeightsStore::Open(dir_.path() + "/weights")) {}

  static VersionInfo Info(const std::string& bytes) {
    return {.bytes = bytes.size(),
            .checksum = HashBytes(bytes.data(), bytes.size())};
  }
  static absl::Status Append(IncomingVersion& incoming, uint64_t offset,
                             const std::string& data) {
    return incoming.Append(offset, data, Hash64(data.data(), data.size()));
  }
  absl::Status Publish(WeightsKey key, const std::string& bytes,
                       size_t chunk = 1000) {
    auto incoming = store_->Begin(key, Info(bytes));
    if (!incoming.ok()) return incoming.status();
    for (size_t at = 0; at < bytes.size(); at += chunk) {
      absl::Status status = Append(**incoming, at, bytes.substr(at, chunk));
      if (!status.ok()) return status;
    }
    return store_->Finish(*std::move(incoming));
  }
  std::string ReadAll(WeightsKey key) {
    auto reader = store_->Read(key);
    if (!reader.ok()) return "";
    std::string all, chunk;
    while ((*reader)->Read(all.size(), &chunk).ok() && !chunk.empty()) {
      all += chunk;
    }
    return all;
  }
  size_t Files() const {
    const std::filesystem::directory_iterator files(dir_.path() + "/weights");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  TempDir dir_;
  std::unique_ptr<WeightsStore> store_;
};

TEST_F(WeightsStoreTest, WhatIsPublishedIsServedAfterTheCommitOnly) {
  const std::string bytes = Bytes(3 * kMaxWeightsChunk + 17);
  ASSERT_TRUE(Publish(kId, bytes, kMaxWeightsChunk).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Read(kId).status()));
  ASSERT_TRUE(store_->Commit(kId).ok());
  EXPECT_TRUE(store_->Commit(kId).ok());
  EXPECT_EQ(ReadAll(kId), bytes);
}

TEST_F(WeightsStoreTest, AFlippedByteIsNoticedInItsChunk) {
  const std::string bytes = Bytes(100);
  auto incoming = store_->Begin(kId, Info(bytes));
  std::string damaged = bytes;
  damaged[50] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(
      (*incoming)->Append(0, damaged, Hash64(bytes.data(), bytes.size()))));
}

TEST_F(WeightsStoreTest, AWrongWholeIsNoticedAtTheEndAndLeavesNothing) {
  const std::string bytes = Bytes(100);
  auto incoming = store_->Begin(kId, Info(Bytes(100, 1)));
  ASSERT_TRUE(Append(**incoming, 0, bytes).ok());
  EXPECT_TRUE(absl::IsDataLoss(store_->Finish(*std::move(incoming))));
  EXPECT_FALSE(store_->Find(kId).has_value());
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WeightsStoreTest, AShortVersionIsRefused) {
  auto incoming = store_->Begin(kId, Info(Bytes(100)));
  ASSERT_TRUE(Append(**incoming, 0, Bytes(100).substr(0, 60)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Finish(*std::move(incoming))));
}

TEST_F(WeightsStoreTest, ChunksComeInOrderAndEndWhereTheyShould) {
  auto incoming = store_->Begin(kId, Info(Bytes(100)));
  EXPECT_TRUE(absl::IsInvalidArgument(Append(**incoming, 10, Bytes(10))));
  EXPECT_TRUE(absl::IsInvalidArgument(Append(**incoming, 0, Bytes(101))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Append(**incoming, 0, Bytes(kMaxWeightsChunk + 1))));
}

TEST_F(WeightsStoreTest, PublishingAgainIsHarmlessWithTheSameBitsOnly) {
  ASSERT_TRUE(Publish(kId, Bytes(100)).ok());
  EXPECT_TRUE(Publish(kId, Bytes(100)).ok());
  EXPECT_TRUE(absl::IsDataLoss(Publish(kId, Bytes(100, 1))));
  EXPECT_EQ(Files(), 1u);
}

TEST_F(WeightsStoreTest, DroppedVersionsAreGoneButAReaderKeepsItsOwn) {
  const std::string bytes = Bytes(5000);
  for (uint64_t v = 3; v <= 5; ++v) {
    ASSERT_TRUE(Publish(WeightsId{.stage = 1, .version = v}, bytes).ok());
    ASSERT_TRUE(store_->Commit({.stage = 1, .version = v}).ok());
  }
  auto reader = store_->Read(WeightsId{.stage = 1, .version = 3});
  store_->DropBelow(kId);
  EXPECT_EQ(Files(), 2u);
  EXPECT_FALSE(store_->IsVisible({.stage = 1, .version = 3}));
  std::string chunk;
  ASSERT_TRUE((*reader)->Read(0, &chunk).ok());
  EXPECT_EQ(chunk, bytes);
}

TEST_F(WeightsStoreTest, EncodingsOfAVersionAreHeldSideBySide) {
  const WeightsKey delta(kId, v1::WEIGHTS_ENCODING_DELTA);
  ASSERT_TRUE(Publish(kId, Bytes(5000)).ok());
  ASSERT_TRUE(Publish(delta, Bytes(70, 1)).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Read(delta).status()));
  ASSERT_TRUE(store_->Commit(kId).ok());
  EXPECT_EQ(ReadAll(kId), Bytes(5000));
  EXPECT_EQ(ReadAll(delta), Bytes(70, 1));
  EXPECT_EQ(store_->Find(delta), Info(Bytes(70, 1)));
  store_->DropAll();
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WeightsStoreTest, ADeltaAloneIsNoVersionToCommit) {
  ASSERT_TRUE(Publish({kId, v1::WEIGHTS_ENCODING_DELTA}, Bytes(70)).ok());
  const absl::Status committed = store_->Commit(kId);
  EXPECT_TRUE(absl::IsNotFound(committed)) << committed;
  EXPECT_FALSE(store_->IsVisible(kId));
}

TEST_F(WeightsStoreTest, AnEncodingThatComesAfterTheCommitIsVisibleAtOnce) {
  ASSERT_TRUE(Publish(kId, Bytes(5000)).ok());
  ASSERT_TRUE(store_->Commit(kId).ok());
  const WeightsKey delta(kId, v1::WEIGHTS_ENCODING_DELTA);
  ASSERT_TRUE(Publish(delta, Bytes(70)).ok());
  EXPECT_EQ(ReadAll(delta), Bytes(70));
}

TEST_F(WeightsStoreTest, AnAbandonedTransferLeavesNoFile) {
  {
    auto incoming = store_->Begin(kId, Info(Bytes(100)));
    ASSERT_TRUE(Append(**incoming, 0, Bytes(100).substr(0, 10)).ok());
    EXPECT_EQ(Files(), 1u);
  }
  EXPECT_EQ(Files(), 0u);
}

TEST_F(WeightsStoreTest, AnEarlierProcesssVersionsAreRemovedAtTheStart) {
  ASSERT_TRUE(Publish(kId, Bytes(100)).ok());
  store_ = *WeightsStore::Open(dir_.path() + "/weights");
  EXPECT_EQ(Files(), 0u);
  EXPECT_FALSE(store_->Find(kId).has_value());
}

}  // namespace
}  // namespace aha::coordinator
