// Reads GGUF, the model files of llama.cpp, in versions 2 and 3, little-endian:
// metadata, a table of tensors, and their data.
//
// A file comes from outside and is not trusted. Counts and sizes are checked
// against the bytes that exist before any memory is reserved, and every tensor
// lies within the file. The file is read and not mapped: if another process
// truncates it meanwhile, that is an error instead of a SIGBUS.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/file_io.h"

namespace aha {

// The format of a tensor's numbers. The values are those in the file.
enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBf16 = 30,
};

// Returns "Q4_1", or "type 10" if it is none of the above.
std::string GgufTypeName(uint32_t type);
// All of them, for messages.
std::string GgufTypeNames();

struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // Slowest dimension first, as everywhere else.
  GgufType type = GgufType::kF32;
  int64_t count = 0;    // The product of `shape`.
  uint64_t offset = 0;  // Where the tensor's first byte is in the file.
};

using GgufValue =
    std::variant<int64_t, double, bool, std::string, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::string>>;

class GgufFile {
 public:
  // Keeps the file open. Returns NOT_FOUND if it does not exist; the other
  // errors are those of Parse, with the path.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Open(
      const std::string& path);
  // Malformed input is INVALID_ARGUMENT with field, rule and value; other
  // versions and tensor types are UNIMPLEMENTED. `bytes` must outlive the
  // result.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Parse(
      absl::string_view bytes);

  // Returns null if there is none.
  const GgufValue* Find(absl::string_view key) const;
  // Return NOT_FOUND if the key is absent and INVALID_ARGUMENT if its value has
  // another type.
  absl::StatusOr<int64_t> Integer(absl::string_view key) const;
  absl::StatusOr<double> Number(absl::string_view key) const;
  absl::StatusOr<bool> Bool(absl::string_view key) const;
  absl::StatusOr<std::string> String(absl::string_view key) const;
  absl::StatusOr<const std::vector<std::string>*> Strings(
      absl::string_view key) const;
  absl::StatusOr<const std::vector<int64_t>*> Integers(
      absl::string_view key) const;

  absl::Span<const GgufTensor> tensors() const { return tensors_; }
  // May return null.
  const GgufTensor* FindTensor(absl::string_view name) const;
  // Reads the numbers [begin, begin + out.size()) of one of its tensors as
  // floats. Returns DATA_LOSS if the file was truncated after it was opened.
  // REQUIRES: the range lies within the tensor, and begin is a multiple of the
  // block's numbers (BlockOf).
  absl::Status Read(const GgufTensor& tensor, int64_t begin,
                    absl::Span<float> out) const;

 private:
  // A file, or bytes in memory.
  class Source {
   public:
    explicit Source(FileReader file) : from_(std::move(file)) {}
    explicit Source(absl::string_view bytes) : from_(bytes) {}
    uint64_t size() const;
    // REQUIRES: the range lies within size().
    absl::Status ReadAt(uint64_t offset, void* data, size_t size) const;

   private:
    std::variant<FileReader, absl::string_view> from_;
  };
  class Parser;
  explicit GgufFile(Source source) : source_(std::move(source)) {}
  static absl::StatusOr<std::unique_ptr<GgufFile>> Parse(Source source);

  const Source source_;
  absl::flat_hash_map<std::string, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  absl::flat_hash_map<std::string, size_t> tensor_index_;
};

// Converts the numbers of the blocks that begin at `from` to floats.
void Dequantize(GgufType type, const char* from, absl::Span<float> out);

// The size of a block in numbers and in bytes.
struct GgufBlock {
  int64_t numbers;
  int64_t bytes;
};
// Returns {0, 0} if Aha does not read the type.
GgufBlock BlockOf(uint32_t type);

}  // namespace aha
