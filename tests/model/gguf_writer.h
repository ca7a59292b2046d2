// Writes GGUF files for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace aha {

class GgufWriter {
 public:
  template <class T>
  static void Put(T value, std::string* out) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out->append(bytes, sizeof value);
  }
  static void PutText(const std::string& text, std::string* out) {
    Put<uint64_t>(text.size(), out);
    *out += text;
  }

  GgufWriter& U32(const std::string& key, uint32_t value) {
    Pair(key, 4);
    Put(value, &pairs_);
    return *this;
  }
  GgufWriter& F32(const std::string& key, float value) {
    Pair(key, 6);
    Put(value, &pairs_);
    return *this;
  }
  GgufWriter& Bool(const std::string& key, bool value) {
    Pair(key, 7);
    Put<uint8_t>(value ? 1 : 0, &pairs_);
    return *this;
  }
  GgufWriter& Text(const std::string& key, const std::string& value) {
    Pair(key, 8);
    PutText(value, &pairs_);
    return *this;
  }
  GgufWriter& Texts(const std::string& key,
                    const std::vector<std::string>& values) {
    Pair(key, 9);
    Put<uint32_t>(8, &pairs_);
    Put<uint64_t>(values.size(), &pairs_);
    for (const std::string& value : values) PutText(value, &pairs_);
    return *this;
  }
  GgufWriter& I32s(const std::string& key, const std::vector<int32_t>& values) {
    Pair(key, 9);
    Put<uint32_t>(5, &pairs_);
    Put<uint64_t>(values.size(), &pairs_);
    for (const int32_t value : values) Put(value, &pairs_);
    return *this;
  }

  // `dims` is in the order of the file, the fastest dimension first.
  GgufWriter& Tensor(const std::string& name, const std::vector<uint64_t>& dims,
                     uint32_t type, const std::string& data) {
    ++num_tensors_;
    PutText(name, &infos_);
    Put<uint32_t>(static_cast<uint32_t>(dims.size()), &infos_);
    for (const uint64_t dim : dims) Put(dim, &infos_);
    Put(type, &infos_);
    Put<uint64_t>(data_.size(), &infos_);
    data_ += data;
    data_.resize((data_.size() + 31) / 32 * 32);
    return *this;
  }
  GgufWriter& Floats(const std::string& name, const std::vector<uint64_t>& dims,
                     const std::vector<float>& values) {
    std::string data;
    for (const float value : values) Put(value, &data);
    return Tensor(name, dims, 0, data);
  }

  std::string Bytes(uint32_t version = 3) const {
    std::string out = "GGUF";
    Put(version, &out);
    Put(num_tensors_, &out);
    Put(num_pairs_, &out);
    out += pairs_ + infos_;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data_;
  }

 private:
  void Pair(const std::string& key, uint32_t type) {
    ++num_pairs_;
    PutText(key, &pairs_);
    Put(type, &pairs_);
  }

  uint64_t num_tensors_ = 0;
  uint64_t num_pairs_ = 0;
  std::string pairs_;
  std::string infos_;
  std::string data_;
};

}  // namespace aha
