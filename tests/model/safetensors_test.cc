#include "model/formats/safetensors.h"

#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/parameters.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"
#include "tests/model/tiny.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;

void WriteFile(const std::string& path, const std::string& bytes) {
  // Truncating a file would make ext4 write it to the disk at once.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string WithLength(const std::string& json, const std::string& data) {
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) {
    length[i] = static_cast<char>(json.size() >> (8 * i));
  }
  return length + json + data;
}

// A valid file and its parts.
struct File {
  explicit File(DType dtype = DType::kF32, bool tied = true) {
    config = TinyConfig();
    config.tie_word_embeddings = tied;
    const Parameters parameters = RandomParameters(config, 7, dtype);
    const std::string header = SafetensorsHeader(parameters);
    json = OrderedJson::parse(header.substr(8));
    data.assign(static_cast<const char*>(parameters.data()),
                static_cast<size_t>(parameters.bytes()));
    bytes = header + data;
  }
  ModelConfig config;
  OrderedJson json;
  std::string data;
  std::string bytes;
};

bool SameBytes(const Parameters& a, const Parameters& b) {
  return a.bytes() == b.bytes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

class SafetensorsTest : public testing::Test {
 protected:
  absl::StatusOr<Parameters> Read(const ModelConfig& config,
                                  const std::string& bytes,
                                  DType dtype = DType::kF32) {
    const std::string path = directory_ / "model.safetensors";
    WriteFile(path, bytes);
    return ReadSafetensors(path, config, dtype);
  }
  std::string Message(const ModelConfig& config, const std::string& bytes) {
    const auto read = Read(config, bytes);
    return read.ok() ? "OK" : std::string(read.status().message());
  }

  const TempDir directory_;
};

TEST_F(SafetensorsTest, SurvivesARoundTrip) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const bool tied : {true, false}) {
      ModelConfig config = TinyConfig();
      config.tie_word_embeddings = tied;
      const Parameters parameters = RandomParameters(config, 7, dtype);
      const std::string path = directory_ / "model.safetensors";
      ASSERT_TRUE(WriteSafetensors(parameters, path).ok());
      const auto read = ReadSafetensors(path, config, dtype);
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(SameBytes(*read, parameters));
      const std::string bytes = FileText(path);
      EXPECT_EQ(WeightsChecksum(parameters),
                HashBytes(bytes.data(), bytes.size()));
      const auto layout = parameters.shared_layout();
      const auto borrowed = BorrowSafetensors(bytes, layout, dtype);
      ASSERT_TRUE(borrowed.has_value());
      EXPECT_TRUE(SameBytes(*borrowed, parameters));
      EXPECT_FALSE(BorrowSafetensors(bytes + "x", layout, dtype).has_value());
      EXPECT_FALSE(
          BorrowSafetensors("x" + bytes.substr(1), layout, dtype).has_value());
      EXPECT_EQ(SafetensorsHeader(parameters).size() % 8, 0u);
    }
  }
}

TEST_F(SafetensorsTest, ReadsADirectoryAndWidensBf16) {
  const File file(DType::kBf16);
  directory_.Write("model.safetensors", file.bytes);
  const auto wide =
      ReadSafetensors(directory_.path(), file.config, DType::kF32);
  ASSERT_TRUE(wide.ok()) << wide.status();
  const Parameters want = RandomParameters(file.config, 7, DType::kBf16);
  for (int64_t i = 0; i < want.layout().count(); ++i) {
    ASSERT_EQ(static_cast<const float*>(wide->data())[i],
              ToFloat(static_cast<const Bf16*>(want.data())[i]));
  }
}

TEST_F(SafetensorsTest, RoundsF32AndReadsF16) {
  const File file(DType::kF32);
  const auto narrow = Read(file.config, file.bytes, DType::kBf16);
  ASSERT_TRUE(narrow.ok());
  EXPECT_TRUE(
      SameBytes(*narrow, RandomParameters(file.config, 7, DType::kBf16)));

  const File half(DType::kBf16);
  OrderedJson json = half.json;
  for (auto& [name, tensor] : json.items()) {
    if (name != "__metadata__") tensor["dtype"] = "F16";
  }
  std::string data = half.data;
  const uint16_t values[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x03ff};
  std::memcpy(data.data(), values, sizeof(values));
  const auto read = Read(half.config, WithLength(json.dump(), data));
  ASSERT_TRUE(read.ok()) << read.status();
  const float* got = static_cast<const float*>(read->data());
  EXPECT_EQ(got[0], 1);
  EXPECT_EQ(got[1], -2);
  EXPECT_EQ(got[2], 0x1p-24f);
  EXPECT_EQ(got[3], 65504);
  EXPECT_EQ(got[4], 0);
  EXPECT_TRUE(std::signbit(got[4]));
  EXPECT_EQ(got[5], 1023 * 0x1p-24f);
}

// Splits the tensors of a file over two shards.
void WriteShards(const File& file, const TempDir& directory) {
  OrderedJson parts[2], map;
  std::string data[2];
  int at = 0;
  for (const auto& [name, tensor] : file.json.items()) {
    if (name == "__metadata__") continue;
    const int part = at++ % 2;
    const size_t begin = tensor["data_offsets"][0];
    const size_t end = tensor["data_offsets"][1];
    OrderedJson moved = tensor;
    moved["data_offsets"] = {data[part].size(),
                             data[part].size() + end - begin};
    parts[part][name] = moved;
    data[part] += file.data.substr(begin, end - begin);
    map["weight_map"][name] = absl::StrCat("part", part, ".safetensors");
  }
  for (int part = 0; part < 2; ++part) {
    directory.Write(absl::StrCat("part", part, ".safetensors"),
                    WithLength(parts[part].dump(), data[part]));
  }
  directory.Write("model.safetensors.index.json", map.dump());
}

TEST_F(SafetensorsTest, ReadsShards) {
  const File file;
  WriteShards(file, directory_);
  const auto read =
      ReadSafetensors(directory_.path(), file.config, DType::kF32);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameBytes(*read, RandomParameters(file.config, 7, DType::kF32)));
}

TEST_F(SafetensorsTest, RefusesAnIndexThatNamesAnotherFile) {
  const File file;
  WriteShards(file, directory_);
  const std::string index = directory_ / "model.safetensors.index.json";
  OrderedJson map = OrderedJson::parse(FileText(index));
  const auto message = [&] {
    WriteFile(index, map.dump());
    return std::string(
        ReadSafetensors(directory_.path(), file.config, DType::kF32)
            .status()
            .message());
  };
  const OrderedJson right = map;
  map["weight_map"]["model.norm.weight"] = "../part0.safetensors";
  EXPECT_THAT(message(), HasSubstr("same directory"));
  map = right;
  auto& norm = map["weight_map"]["model.norm.weight"];
  norm =
      norm == "part0.safetensors" ? "part1.safetensors" : "part0.safetensors";
  EXPECT_THAT(message(), HasSubstr("model.norm.weight"));
  map["weight_map"] = 3;
  EXPECT_THAT(message(), HasSubstr("weight_map"));
}

TEST_F(SafetensorsTest, NamesWhatIsWrongWithATensor) {
  const File file;
  const auto with = [&](const std::string& name, const char* field,
                        const OrderedJson& value) {
    OrderedJson json = file.json;
    json[name][field] = value;
    return Message(file.config, WithLength(json.dump(), file.data));
  };
  const std::string norm = "model.norm.weight";
  const OrderedJson offsets = file.json[norm]["data_offsets"];
  const uint64_t begin = offsets[0], end = offsets[1];
  EXPECT_THAT(with(norm, "dtype", "I32"), HasSubstr("must be F32, BF16"));
  EXPECT_THAT(with(norm, "dtype", "F128"), HasSubstr("\"F128\""));
  EXPECT_THAT(with(norm, "dtype", "BF16"), HasSubstr("must span the 32 bytes"));
  EXPECT_THAT(
      with(norm, "shape", {4, 4}),
      HasSubstr("shape must be [16] according to config.json, found [4, 4]"));
  EXPECT_THAT(with(norm, "shape", {16, 1u << 31, 1u << 31, 1u << 31}),
              HasSubstr("64 bits"));
  EXPECT_THAT(with(norm, "shape", {-16}), HasSubstr("negative"));
  EXPECT_THAT(with(norm, "shape", {16.5}), HasSubstr("fraction"));
  EXPECT_THAT(
      with(norm, "shape", OrderedJson::array({OrderedJson::array({16})})),
      HasSubstr("array"));
  EXPECT_THAT(with(norm, "data_offsets", {begin, end, end}),
              HasSubstr("2 numbers, found 3"));
  EXPECT_THAT(with(norm, "data_offsets", {end, begin}), HasSubstr("ascending"));
  EXPECT_THAT(with(norm, "data_offsets", {begin, end + 4}),
              HasSubstr("ascending and within"));
  EXPECT_THAT(with(norm, "data_offsets", {begin - 4, end - 4}),
              HasSubstr("must begin where"));
  EXPECT_THAT(with(norm, "data_offsets", {0, 64}), HasSubstr("must begin"));
  EXPECT_THAT(with(norm, "extra", 1), HasSubstr("fields must be"));
  EXPECT_THAT(with("model.layers.0.self_attn.q_proj.bias", "dtype", "F32"),
              HasSubstr("found only dtype"));
}

TEST_F(SafetensorsTest, NamesMissingUnknownAndDoubleTensors) {
  const File file;
  // The last tensor is removed with its bytes.
  OrderedJson json = file.json;
  const uint64_t begin = json["model.norm.weight"]["data_offsets"][0];
  json.erase("model.norm.weight");
  EXPECT_THAT(
      Message(file.config, WithLength(json.dump(), file.data.substr(0, begin))),
      HasSubstr("\"model.norm.weight\": is missing"));
  EXPECT_THAT(Message(file.config, WithLength(json.dump(), file.data)),
              HasSubstr("must cover all"));
  // One tensor is added.
  json = file.json;
  json["surplus"] = {
      {"dtype", "F32"},
      {"shape", {1}},
      {"data_offsets", {file.data.size(), file.data.size() + 4}}};
  EXPECT_THAT(Message(file.config, WithLength(json.dump(), file.data + "abcd")),
              HasSubstr("\"surplus\""));
  // One tensor appears twice.
  std::string text = file.json.dump();
  text.pop_back();
  text += R"(,"model.norm.weight":{"dtype":"F32"}})";
  EXPECT_THAT(Message(file.config, WithLength(text, file.data)),
              HasSubstr("twice"));
}

TEST_F(SafetensorsTest, TakesExpertsOneByOneOrInOneTensorButNotBoth) {
  const ModelConfig config = TinyConfigOf("qwen3_moe");
  const Parameters parameters = RandomParameters(config, 7, DType::kF32);
  const std::string header = SafetensorsHeader(parameters);
  const std::string data(static_cast<const char*>(parameters.data()),
                         static_cast<size_t>(parameters.bytes()));
  // Adds one more tensor, with the experts' down projections of a layer.
  const auto with = [&](const std::string& name) {
    OrderedJson json = OrderedJson::parse(header.substr(8));
    const std::vector<int64_t> shape = {config.num_experts, config.hidden_size,
                                        config.moe_intermediate_size};
    const size_t bytes =
        static_cast<size_t>(shape[0] * shape[1] * shape[2]) * sizeof(float);
    json[name] = {{"dtype", "F32"},
                  {"shape", shape},
                  {"data_offsets", {data.size(), data.size() + bytes}}};
    return WithLength(json.dump(), data + std::string(bytes, '\0'));
  };
  EXPECT_EQ(Message(config, header + data), "OK");
  EXPECT_THAT(Message(config, with("model.layers.0.mlp.experts.down_proj")),
              HasSubstr("must not be there beside model.layers.0.mlp.experts.0."
                        "down_proj.weight, which it holds, but is"));
  // Layer 1 has no experts, and there is no layer 2.
  for (const char* name : {"model.layers.1.mlp.experts.down_proj",
                           "model.layers.2.mlp.experts.down_proj",
                           "model.layers.00.mlp.experts.down_proj"}) {
    EXPECT_THAT(Message(config, with(name)),
                HasSubstr("must be a tensor of the model in config.json"));
  }
}

TEST_F(SafetensorsTest, TakesATiedHeadOnlyIfItIsTheEmbedding) {
  const File file;
  const size_t table = static_cast<size_t>(30 * 16 * 4);
  OrderedJson json = file.json;
  json["lm_head.weight"] = {
      {"dtype", "F32"},
      {"shape", {30, 16}},
      {"data_offsets", {file.data.size(), file.data.size() + table}}};
  const std::string same = file.data + file.data.substr(0, table);
  EXPECT_EQ(Message(file.config, WithLength(json.dump(), same)), "OK");
  std::string other = same;
  other.back() ^= 1;
  EXPECT_THAT(Message(file.config, WithLength(json.dump(), other)),
              HasSubstr("lm_head.weight"));
}

TEST_F(SafetensorsTest, RefusesDamagedContainers) {
  const File file;
  const auto message = [&](const std::string& bytes) {
    return Message(file.config, bytes);
  };
  EXPECT_THAT(message(""), HasSubstr("at least 8 bytes"));
  EXPECT_THAT(message(std::string(8, '\xff')), HasSubstr("100000000"));
  EXPECT_THAT(message(file.bytes.substr(0, 100)), HasSubstr("must fit"));
  EXPECT_THAT(message(file.bytes.substr(0, file.bytes.size() - 1)),
              HasSubstr("within"));
  EXPECT_THAT(message(file.bytes + "x"), HasSubstr("must cover all"));
  EXPECT_THAT(message(WithLength("[]", "")), HasSubstr("JSON object"));
  EXPECT_THAT(message(WithLength("{\"a\":1}", "")), HasSubstr("an object"));
  EXPECT_THAT(message(WithLength("{} x", "")), HasSubstr("at byte"));
  EXPECT_THAT(message(WithLength(std::string("{}\0[", 4), "")),
              HasSubstr("a zero byte at byte 3"));
  EXPECT_THAT(message(WithLength(std::string(1 << 20, '['), "")),
              HasSubstr("header"));
  EXPECT_THAT(message(WithLength("{\"__metadata__\":{\"a\":{\"b\":1}}}", "")),
              HasSubstr("__metadata__"));
  EXPECT_FALSE(ReadSafetensors("/nonexistent", file.config, DType::kF32).ok());
  EXPECT_FALSE(ReadSafetensors("/dev/zero", file.config, DType::kF32).ok());
}

// Damages 2000 files at random. Each is read or refused with a message.
TEST_F(SafetensorsTest, SurvivesRandomDamage) {
  const File file;
  const std::string path = directory_ / "model.safetensors";
  const RandomKey key(5, RandomPurpose::kTest);
  const uint32_t header =
      static_cast<uint32_t>(file.bytes.size() - file.data.size());
  const std::string alphabet = "{}[]\",:0189-.eE \\ux\xff";
  int refused = 0;
  uint64_t at = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = file.bytes;
    const uint32_t changes = 1 + key.Below(at++, 4);
    for (uint32_t c = 0; c < changes; ++c) {
      const size_t where = key.Below(at++, header);
      const char other = alphabet[key.Below(at++, alphabet.size())];
      switch (key.Below(at++, 4)) {
        case 0:
          bytes[where] = other;
          break;
        case 1:
          bytes[where] ^= static_cast<char>(1 << key.Below(at++, 8));
          break;
        case 2:
          bytes.erase(where, 1 + key.Below(at++, 30));
          break;
        default:
          bytes.insert(where, bytes.substr(key.Below(at++, header), 20));
      }
    }
    WriteFile(path, bytes);
    const auto read = ReadSafetensors(path, file.config, DType::kF32);
    if (read.ok()) continue;
    ++refused;
    ASSERT_THAT(std::string(read.status().message()), HasSubstr(path));
    ASSERT_EQ(read.status().message().find('\n'), std::string::npos);
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace aha
