#include "actor/weight_assembler.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/actor/weights.h"

namespace aha::actor {
namespace {

class WeightAssemblerTest : public ::testing::Test {
 protected:
  const WeightsId id_{.stage = 1, .version = 4};
  const std::string bytes_ = RandomBytes(10'000);
  WeightAssembler assembler_{id_, 7};

  v1::WeightsChunk At(uint64_t offset, uint64_t size) {
    return Chunk(id_, 7, bytes_, offset, size);
  }
  std::string Held() {
    const WeightBuffer buffer = assembler_.Take();
    return std::string(buffer.data(), buffer.size());
  }
};

TEST_F(WeightAssemblerTest, ChunksInOrderGiveTheBytes) {
  EXPECT_TRUE(assembler_.Add(At(0, 4000)).ok());
  EXPECT_FALSE(assembler_.whole());
  EXPECT_EQ(assembler_.offset(), 4000u);
  EXPECT_TRUE(assembler_.Add(At(4000, 6000)).ok());
  ASSERT_TRUE(assembler_.whole());
  EXPECT_EQ(Held(), bytes_);
}

TEST_F(WeightAssemblerTest, TheBufferIsAlsoAFile) {
  EXPECT_TRUE(assembler_.Add(At(0, 10'000)).ok());
  const WeightBuffer buffer = assembler_.Take();
  std::ifstream file(buffer.path(), std::ios::binary);
  const std::string read{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(read, bytes_);
}

TEST_F(WeightAssemblerTest, AFlippedByteIsFoundAndTheGoodPartIsKept) {
  EXPECT_TRUE(assembler_.Add(At(0, 4000)).ok());
  v1::WeightsChunk bad = At(4000, 1000);
  (*bad.mutable_data())[17] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(assembler_.Add(bad)));
  EXPECT_EQ(assembler_.offset(), 4000u);
  EXPECT_TRUE(assembler_.Add(At(4000, 6000)).ok());
  EXPECT_EQ(Held(), bytes_);
}

TEST_F(WeightAssemblerTest,
       AWrongChecksumOfTheWholeStartsAgainFromTheFirstByte) {
  v1::WeightsChunk bad = At(0, 10'000);
  (*bad.mutable_data())[17] ^= 1;
  bad.set_data_hash(Hash64(bad.data().data(), bad.data().size()));
  EXPECT_TRUE(absl::IsDataLoss(assembler_.Add(bad)));
  EXPECT_FALSE(assembler_.whole());
  EXPECT_EQ(assembler_.offset(), 0u);
  EXPECT_TRUE(assembler_.Add(At(0, 10'000)).ok());
  EXPECT_EQ(Held(), bytes_);
}

TEST_F(WeightAssemblerTest, GapsOverlapsAndOtherVersionsAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(At(1, 10))));
  EXPECT_TRUE(assembler_.Add(At(0, 4000)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(At(3000, 1000))));
  v1::WeightsChunk other = At(4000, 10);
  other.mutable_id()->set_version(5);
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(other)));
  v1::WeightsChunk epoch = At(4000, 10);
  epoch.set_epoch(8);
  EXPECT_TRUE(absl::IsFailedPrecondition(assembler_.Add(epoch)));
  v1::WeightsChunk total = At(4000, 10);
  total.set_total_bytes(20'000);
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(total)));
  v1::WeightsChunk checksum = At(4000, 10);
  (*checksum.mutable_checksum())[0] ^= 1;
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(checksum)));
  EXPECT_EQ(assembler_.offset(), 4000u);
}

TEST_F(WeightAssemblerTest, AnEncodingThatCannotBeReadIsRefusedWithItsSender) {
  WeightAssembler assembler(id_, 7, "the coordinator at host:1");
  v1::WeightsChunk delta = At(0, 4000);
  delta.set_encoding(v1::WEIGHTS_ENCODING_DELTA);
  *delta.mutable_base() = WeightsId{.stage = 1, .version = 3}.ToProto();
  EXPECT_EQ(assembler.Add(delta),
            absl::UnimplementedError(
                "weights 1.4 from the coordinator at host:1: encoding must be "
                "FULL and without a base, is DELTA from base 1.3"));
  delta.set_encoding(v1::WEIGHTS_ENCODING_FULL);
  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(delta)));
  delta.clear_base();
  delta.set_encoding(v1::WEIGHTS_ENCODING_UNSPECIFIED);
  EXPECT_TRUE(absl::IsUnimplemented(assembler.Add(delta)));
  delta.set_encoding(static_cast<v1::WeightsEncoding>(17));
  EXPECT_THAT(std::string(assembler.Add(delta).message()),
              testing::EndsWith("is 17"));
  EXPECT_EQ(assembler.offset(), 0u);
}

TEST_F(WeightAssemblerTest, HostileSizesAreRefusedBeforeMemoryIsTaken) {
  v1::WeightsChunk huge = At(0, 10);
  huge.set_total_bytes(~uint64_t{0});
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(huge)));
  huge.set_total_bytes(0);
  EXPECT_TRUE(absl::IsInvalidArgument(assembler_.Add(huge)));
}

}  // namespace
}  // namespace aha::actor
