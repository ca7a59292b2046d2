#include "model/formats/gguf.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_files.h"
#include "tests/model/gguf_writer.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufWriter Small() {
  GgufWriter writer;
  writer.Text("general.architecture", "llama")
      .U32("llama.block_count", 2)
      .F32("llama.rope.freq_base", 10000)
      .Bool("flag", true)
      .Texts("tokens", {"a", "b c"})
      .I32s("types", {3, -1})
      .Floats("x.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  return writer;
}

std::vector<float> All(const GgufFile& file, const GgufTensor& tensor) {
  std::vector<float> values(tensor.count);
  EXPECT_TRUE(file.Read(tensor, 0, absl::MakeSpan(values)).ok());
  return values;
}

std::vector<float> All(const GgufFile& file, const std::string& name) {
  return All(file, *file.FindTensor(name));
}

TEST(GgufTest, ReadsMetadataAndTensorsOfBothVersions) {
  for (const uint32_t version : {2, 3}) {
    const std::string bytes = Small().Bytes(version);
    const auto file = GgufFile::Parse(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(*(*file)->String("general.architecture"), "llama");
    EXPECT_EQ(*(*file)->Integer("llama.block_count"), 2);
    EXPECT_EQ(*(*file)->Number("llama.rope.freq_base"), 10000.0);
    EXPECT_EQ(*(*file)->Bool("flag"), true);
    EXPECT_THAT(**(*file)->Strings("tokens"), ElementsAre("a", "b c"));
    EXPECT_THAT(**(*file)->Integers("types"), ElementsAre(3, -1));
    const GgufTensor* tensor = (*file)->FindTensor("x.weight");
    ASSERT_NE(tensor, nullptr);
    EXPECT_THAT(tensor->shape, ElementsAre(3, 2));
    EXPECT_THAT(All(**file, *tensor), ElementsAre(1, 2, 3, 4, 5, 6));
  }
}

TEST(GgufTest, NamesTheKeyThatIsMissingOrOfAnotherType) {
  const std::string bytes = Small().Bytes();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(absl::IsNotFound((*file)->Integer("nothing").status()));
  const absl::Status status = (*file)->Integer("tokens").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tokens must be an integer, got an array of strings"));
}

// The format defines scale * q, scale * (q - 8) and scale * q + minimum.
TEST(GgufTest, DequantizesEveryTypeByItsDefinition) {
  std::string q8, q4_0, q4_1, half, bf16;
  GgufWriter::Put<uint16_t>(0x3800, &q8);  // 0.5
  for (int i = 0; i < 32; ++i) GgufWriter::Put<int8_t>(i - 16, &q8);
  GgufWriter::Put<uint16_t>(0xC000, &q4_0);  // -2
  GgufWriter::Put<uint16_t>(0x3C00, &q4_1);  // 1
  GgufWriter::Put<uint16_t>(0x4900, &q4_1);  // 10
  for (int i = 0; i < 16; ++i) {
    const uint8_t byte = static_cast<uint8_t>((15 - i) << 4 | i);
    GgufWriter::Put(byte, &q4_0);
    GgufWriter::Put(byte, &q4_1);
  }
  // These are 65504, the smallest denormal, -0, and 1/3 rounded.
  for (const uint16_t bits : {0x7BFF, 0x0001, 0x8000, 0x3555}) {
    GgufWriter::Put(bits, &half);
  }
  for (const uint16_t bits : {0x3F80, 0xC049}) GgufWriter::Put(bits, &bf16);
  const std::string bytes = GgufWriter()
                                .Tensor("q8", {32}, 8, q8)
                                .Tensor("q40", {32}, 2, q4_0)
                                .Tensor("q41", {32}, 3, q4_1)
                                .Tensor("half", {4}, 1, half)
                                .Tensor("bf16", {2}, 30, bf16)
                                .Bytes();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  for (int i = 0; i < 32; ++i) {
    const int nibble = i < 16 ? i : 15 - (i - 16);
    EXPECT_EQ(All(**file, "q8")[i], 0.5f * (i - 16));
    EXPECT_EQ(All(**file, "q40")[i], -2.0f * (nibble - 8));
    EXPECT_EQ(All(**file, "q41")[i], 1.0f * nibble + 10.0f);
  }
  EXPECT_THAT(All(**file, "half"),
              ElementsAre(65504.0f, 0x1p-24f, -0.0f, 0.333251953125f));
  EXPECT_THAT(All(**file, "bf16"), ElementsAre(1.0f, -3.140625f));
}

// By llama.cpp's own package (tests/golden/make_goldens.py).
TEST(GgufTest, DequantizesEveryFormatToTheSameBitsAsLlamaCpp) {
  const nlohmann::json formats = Golden("gguf.json")["formats"];
  for (const auto& [name, golden] : formats.items()) {
    const std::string blocks =
        absl::HexStringToBytes(golden["bytes"].get<std::string>());
    const std::vector<float> want = golden["floats"];
    const uint32_t type = golden["type"];
    EXPECT_EQ(GgufTypeName(type), name);
    ASSERT_EQ(golden["numbers"].get<size_t>(), want.size());
    const std::string bytes =
        GgufWriter().Tensor("t", {want.size()}, type, blocks).Bytes();
    const auto file = GgufFile::Parse(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(All(**file, "t"), want) << name;
    // From the second block on, and only the beginning of it.
    std::vector<float> part(5);
    const GgufTensor* tensor = (*file)->FindTensor("t");
    const int64_t second = static_cast<int64_t>(want.size() / 3);
    ASSERT_TRUE((*file)->Read(*tensor, second, absl::MakeSpan(part)).ok());
    EXPECT_EQ(part, std::vector<float>(want.begin() + second,
                                       want.begin() + second + 5));
  }
}

TEST(GgufTest, EveryTruncationIsRefused) {
  const std::string bytes = Small().Bytes();
  // The last 8 bytes are padding after the 24 bytes of the last tensor.
  for (size_t size = 0; size < bytes.size() - 8; ++size) {
    EXPECT_FALSE(GgufFile::Parse(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(GgufFile::Parse(bytes).ok());
}

TEST(GgufTest, ForeignFilesAreRefusedByName) {
  EXPECT_THAT(
      std::string(GgufFile::Parse("PK\x03\x04 a zip file").status().message()),
      HasSubstr("must be GGUF"));
  EXPECT_TRUE(
      absl::IsUnimplemented(GgufFile::Parse(Small().Bytes(1)).status()));
  // In a big-endian file the bytes of the version are swapped.
  EXPECT_TRUE(absl::IsUnimplemented(
      GgufFile::Parse(Small().Bytes(0x03000000)).status()));
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* message;
};

std::vector<Hostile> HostileFiles() {
  std::string huge_counts = Small().Bytes();
  huge_counts.replace(8, 8, std::string(8, '\xff'));
  std::string huge_text = "GGUF";
  GgufWriter::Put<uint32_t>(3, &huge_text);
  GgufWriter::Put<uint64_t>(0, &huge_text);
  GgufWriter::Put<uint64_t>(1, &huge_text);
  GgufWriter::Put<uint64_t>(~uint64_t{0}, &huge_text);
  huge_text.resize(100);
  const std::string four(4, '\0');
  return {
      {"counts", huge_counts, "must be small enough for the size of the file"},
      {"text", huge_text, "must lie within the file"},
      {"twice", GgufWriter().U32("a", 1).U32("a", 2).Bytes(),
       "metadata \"a\" must be unique"},
      {"tensor twice",
       GgufWriter().Tensor("t", {1}, 0, four).Tensor("t", {1}, 0, four).Bytes(),
       "tensor \"t\" must be unique"},
      {"dimensions", GgufWriter().Tensor("t", {1, 1, 1, 1, 1}, 0, four).Bytes(),
       "must be of 1 to 4 dimensions, got 5"},
      {"zero", GgufWriter().Tensor("t", {0}, 0, four).Bytes(), "dimension 0"},
      {"overflow",
       GgufWriter()
           .Tensor("t", {uint64_t{1} << 33, uint64_t{1} << 33}, 0, four)
           .Bytes(),
       "must be of 1 to 2^40 numbers"},
      {"too large", GgufWriter().Tensor("t", {1 << 20}, 0, four).Bytes(),
       "must be within the 32 bytes of data"},
      {"blocks", GgufWriter().Tensor("t", {33}, 8, four).Bytes(),
       "must be made of rows of whole blocks of 32, got 33"},
      {"type", GgufWriter().Tensor("t", {256}, 10, four).Bytes(), "type 10"},
      {"alignment", GgufWriter().U32("general.alignment", 24).Bytes(),
       "general.alignment must be a power of two"},
  };
}

TEST(GgufTest, HostileHeadersAreRefusedWithFieldRuleAndValue) {
  for (const Hostile& hostile : HostileFiles()) {
    const absl::Status status = GgufFile::Parse(hostile.bytes).status();
    EXPECT_FALSE(status.ok()) << hostile.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(hostile.message))
        << hostile.name;
  }
}

TEST(GgufTest, ThousandsOfFlippedBytesNeverCrash) {
  const std::string original = Small().Bytes();
  for (uint64_t i = 0; i < 5000; ++i) {
    const RandomKey key(7, RandomPurpose::kTest, i);
    std::string bytes = original;
    for (uint64_t change = 0; change <= i % 3; ++change) {
      bytes[key.Below(2 * change, static_cast<uint32_t>(bytes.size()))] =
          static_cast<char>(key.Below(2 * change + 1, 256));
    }
    const auto file = GgufFile::Parse(bytes);
    if (!file.ok()) continue;
    for (const GgufTensor& tensor : (*file)->tensors()) {
      All(**file, tensor);
    }
  }
}

TEST(GgufTest, OpenNamesTheFile) {
  const absl::Status missing = GgufFile::Open("/nowhere/x.gguf").status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nowhere/x.gguf"));
  const TempDir scratch;
  scratch.Write("x.gguf", "GGU");
  EXPECT_THAT(
      std::string(GgufFile::Open(scratch / "x.gguf").status().message()),
      HasSubstr("x.gguf: "));
}

TEST(GgufTest, AFileCutShortWhileItIsOpenIsAnError) {
  const TempDir scratch;
  const std::string path = scratch / "x.gguf";
  scratch.Write("x.gguf", Small().Bytes());
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(All(**file, "x.weight"), ElementsAre(1, 2, 3, 4, 5, 6));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 12);
  std::vector<float> values(6);
  const absl::Status cut = (*file)->Read(*(*file)->FindTensor("x.weight"), 0,
                                         absl::MakeSpan(values));
  EXPECT_TRUE(absl::IsDataLoss(cut)) << cut;
  EXPECT_THAT(std::string(cut.message()), HasSubstr("bytes while it is read"));
}

TEST(GgufTest, MemoryForALongTextOfASparseFileIsNotReserved) {
  std::string bytes = "GGUF";
  GgufWriter::Put<uint32_t>(3, &bytes);
  GgufWriter::Put<uint64_t>(0, &bytes);
  GgufWriter::Put<uint64_t>(1, &bytes);
  GgufWriter::Put<uint64_t>(uint64_t{1} << 31, &bytes);
  const TempDir scratch;
  scratch.Write("x.gguf", bytes);
  std::filesystem::resize_file(scratch / "x.gguf", uint64_t{1} << 32);
  EXPECT_THAT(
      std::string(GgufFile::Open(scratch / "x.gguf").status().message()),
      HasSubstr("must lie within the file's first 268435456 bytes"));
}

}  // namespace
}  // namespace aha
