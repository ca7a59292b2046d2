// Parses the head of a GGUF file (model/formats/gguf.h): header, metadata,
// tensor table. Every count is checked against the bytes that are left before
// anything is reserved for it.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/formats/gguf.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr int64_t kMaxCount = int64_t{1} << 40;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr uint32_t kMaxDimensions = 4;
// The most bytes before the tensors' data. Real files have some 10 MB; a sparse
// file may claim terabytes.
constexpr uint64_t kMaxHead = 256 << 20;
constexpr uint64_t kWindow = 1 << 16;  // The number of bytes in one read.

enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

absl::Status Invalid(absl::string_view field, absl::string_view rule,
                     absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", rule, ", got ", value));
}

// Returns how many bytes one value takes at least.
uint64_t MinBytes(ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    default:
      return 8;
  }
}

}  // namespace

// Reads the head of a file from front to back.
class GgufFile::Parser {
 public:
  explicit Parser(GgufFile* file)
      : file_(*file), end_(std::min(file->source_.size(), kMaxHead)) {}

  absl::Status Run() {
    AHA_RETURN_IF_ERROR(ReadHeader());
    for (uint64_t i = 0; i < num_values_; ++i) {
      AHA_RETURN_IF_ERROR(ReadPair());
    }
    AHA_RETURN_IF_ERROR(ReadAlignment());
    for (uint64_t i = 0; i < num_tensors_; ++i) {
      AHA_RETURN_IF_ERROR(ReadTensor());
    }
    return PlaceTensors();
  }

 private:
  uint64_t left() const { return end_ - at_; }

  absl::Status Truncated(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " must lie within the file's first ", end_,
        " bytes, got one that begins at byte ", at_, " (truncated?)"));
  }

  // Copies the next bytes. REQUIRES: size <= left().
  absl::Status Take(void* to, size_t size) {
    const uint64_t used = at_ - window_begin_;
    if (used > window_.size() || size > window_.size() - used) {
      window_.resize(std::max<uint64_t>(size, std::min(kWindow, left())));
      window_begin_ = at_;
      AHA_RETURN_IF_ERROR(
          file_.source_.ReadAt(at_, window_.data(), window_.size()));
    }
    std::memcpy(to, window_.data() + (at_ - window_begin_), size);
    at_ += size;
    return absl::OkStatus();
  }

  template <class T>
  absl::StatusOr<T> Number(absl::string_view what) {
    if (left() < sizeof(T)) return Truncated(what);
    T value;
    AHA_RETURN_IF_ERROR(Take(&value, sizeof value));
    return value;
  }

  absl::StatusOr<std::string> Text(absl::string_view what) {
    AHA_ASSIGN_OR_RETURN(const uint64_t size, Number<uint64_t>(what));
    if (size > left()) return Truncated(what);
    std::string text(size, '\0');
    AHA_RETURN_IF_ERROR(Take(text.data(), size));
    return text;
  }

  absl::Status ReadHeader();
  absl::Status ReadPair();
  absl::Status ReadAlignment();
  absl::Status ReadTensor();
  absl::Status PlaceTensors();
  // These fill *out because GCC 12 wrongly warns about a StatusOr of a variant.
  absl::Status ReadValue(const std::string& key, ValueType type,
                         GgufValue* out);
  absl::Status ReadArray(const std::string& key, GgufValue* out);
  absl::StatusOr<int64_t> ReadInteger(const std::string& key, ValueType type);

  GgufFile& file_;
  const uint64_t end_;  // The head must end here.
  uint64_t at_ = 0;
  std::string window_;  // Bytes of the file from window_begin_ on.
  uint64_t window_begin_ = 0;
  uint64_t num_tensors_ = 0;
  uint64_t num_values_ = 0;
  uint64_t alignment_ = 32;
  // Where each tensor begins, in bytes from the start of the data.
  std::vector<uint64_t> offsets_;
};

absl::Status GgufFile::Parser::ReadHeader() {
  AHA_ASSIGN_OR_RETURN(const uint32_t magic, Number<uint32_t>("magic"));
  if (magic != kMagic) {
    return Invalid("the file", "GGUF (begin with \"GGUF\")",
                   Quote({reinterpret_cast<const char*>(&magic), 4}));
  }
  AHA_ASSIGN_OR_RETURN(const uint32_t version, Number<uint32_t>("version"));
  if (version != 2 && version != 3) {
    return absl::UnimplementedError(
        absl::StrCat("version must be 2 or 3, little-endian, got ", version));
  }
  AHA_ASSIGN_OR_RETURN(num_tensors_, Number<uint64_t>("tensor count"));
  AHA_ASSIGN_OR_RETURN(num_values_, Number<uint64_t>("metadata count"));
  // A tensor takes at least 24 bytes and a pair of metadata at least 13.
  if (num_tensors_ > left() / 24 || num_values_ > left() / 13) {
    return Invalid("tensor and metadata counts",
                   "small enough for the size of the file",
                   absl::StrCat(num_tensors_, " and ", num_values_));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> GgufFile::Parser::ReadInteger(const std::string& key,
                                                      ValueType type) {
  const auto widen = [](auto value) -> absl::StatusOr<int64_t> {
    if (!value.ok()) return value.status();
    return static_cast<int64_t>(*value);
  };
  switch (type) {
    case ValueType::kU8:
    case ValueType::kBool:
      return widen(Number<uint8_t>(key));
    case ValueType::kI8:
      return widen(Number<int8_t>(key));
    case ValueType::kU16:
      return widen(Number<uint16_t>(key));
    case ValueType::kI16:
      return widen(Number<int16_t>(key));
    case ValueType::kU32:
      return widen(Number<uint32_t>(key));
    case ValueType::kI32:
      return widen(Number<int32_t>(key));
    case ValueType::kI64:
      return Number<int64_t>(key);
    default:
      break;
  }
  AHA_ASSIGN_OR_RETURN(const uint64_t value, Number<uint64_t>(key));
  if (value > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return Invalid(key, "below 2^63", absl::StrCat(value));
  }
  return static_cast<int64_t>(value);
}

absl::Status GgufFile::Parser::ReadValue(const std::string& key, ValueType type,
                                         GgufValue* out) {
  switch (type) {
    case ValueType::kF32: {
      AHA_ASSIGN_OR_RETURN(*out, Number<float>(key));
      return absl::OkStatus();
    }
    case ValueType::kF64: {
      AHA_ASSIGN_OR_RETURN(*out, Number<double>(key));
      return absl::OkStatus();
    }
    case ValueType::kBool: {
      AHA_ASSIGN_OR_RETURN(const uint8_t value, Number<uint8_t>(key));
      *out = value != 0;
      return absl::OkStatus();
    }
    case ValueType::kString: {
      AHA_ASSIGN_OR_RETURN(*out, Text(key));
      return absl::OkStatus();
    }
    case ValueType::kArray:
      return ReadArray(key, out);
    default: {
      AHA_ASSIGN_OR_RETURN(*out, ReadInteger(key, type));
      return absl::OkStatus();
    }
  }
}

absl::Status GgufFile::Parser::ReadArray(const std::string& key,
                                         GgufValue* out) {
  AHA_ASSIGN_OR_RETURN(const uint32_t raw, Number<uint32_t>(key));
  const ValueType type = static_cast<ValueType>(raw);
  if (raw > static_cast<uint32_t>(ValueType::kF64) ||
      type == ValueType::kArray) {
    return Invalid(key, "an array of values of a known type and not of arrays",
                   absl::StrCat("type ", raw));
  }
  AHA_ASSIGN_OR_RETURN(const uint64_t count, Number<uint64_t>(key));
  // This bounds the memory before the first element is read.
  if (count > left() / MinBytes(type)) return Truncated(key);
  std::vector<int64_t> integers;
  std::vector<double> numbers;
  std::vector<std::string> strings;
  for (uint64_t i = 0; i < count; ++i) {
    if (type == ValueType::kString) {
      AHA_ASSIGN_OR_RETURN(std::string text, Text(key));
      strings.push_back(std::move(text));
    } else if (type == ValueType::kF32) {
      AHA_ASSIGN_OR_RETURN(const float number, Number<float>(key));
      numbers.push_back(number);
    } else if (type == ValueType::kF64) {
      AHA_ASSIGN_OR_RETURN(const double number, Number<double>(key));
      numbers.push_back(number);
    } else {
      AHA_ASSIGN_OR_RETURN(const int64_t integer, ReadInteger(key, type));
      integers.push_back(integer);
    }
  }
  if (type == ValueType::kString) {
    *out = std::move(strings);
  } else if (type == ValueType::kF32 || type == ValueType::kF64) {
    *out = std::move(numbers);
  } else {
    *out = std::move(integers);
  }
  return absl::OkStatus();
}

absl::Status GgufFile::Parser::ReadPair() {
  AHA_ASSIGN_OR_RETURN(const std::string key, Text("a metadata key"));
  const std::string name = absl::StrCat("metadata ", Quote(key));
  AHA_ASSIGN_OR_RETURN(const uint32_t type, Number<uint32_t>(name));
  if (type > static_cast<uint32_t>(ValueType::kF64)) {
    return Invalid(name, "of a type in 0..12", absl::StrCat("type ", type));
  }
  GgufValue value;
  AHA_RETURN_IF_ERROR(ReadValue(name, static_cast<ValueType>(type), &value));
  if (!file_.values_.emplace(key, std::move(value)).second) {
    return Invalid(name, "unique", "it twice");
  }
  return absl::OkStatus();
}

absl::Status GgufFile::Parser::ReadAlignment() {
  if (file_.Find("general.alignment") == nullptr) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const int64_t value, file_.Integer("general.alignment"));
  alignment_ = static_cast<uint64_t>(value);
  if (value < 8 || alignment_ > kMaxAlignment ||
      (alignment_ & (alignment_ - 1)) != 0) {
    return Invalid("general.alignment", "a power of two in 8..2^20",
                   absl::StrCat(value));
  }
  return absl::OkStatus();
}

absl::Status GgufFile::Parser::ReadTensor() {
  GgufTensor tensor;
  AHA_ASSIGN_OR_RETURN(tensor.name, Text("a tensor's name"));
  const std::string name = absl::StrCat("tensor ", Quote(tensor.name));
  AHA_ASSIGN_OR_RETURN(const uint32_t rank, Number<uint32_t>(name));
  if (rank < 1 || rank > kMaxDimensions) {
    return Invalid(name, "of 1 to 4 dimensions", absl::StrCat(rank));
  }
  tensor.count = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    AHA_ASSIGN_OR_RETURN(const uint64_t size, Number<uint64_t>(name));
    // The last test divides instead of multiplying, which could overflow.
    if (size < 1 || size > uint64_t{kMaxCount} ||
        static_cast<int64_t>(size) > kMaxCount / tensor.count) {
      return Invalid(name, "of 1 to 2^40 numbers",
                     absl::StrCat("dimension ", size));
    }
    tensor.count *= static_cast<int64_t>(size);
    // The file lists the fastest dimension first.
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  AHA_ASSIGN_OR_RETURN(const uint32_t type, Number<uint32_t>(name));
  AHA_ASSIGN_OR_RETURN(const uint64_t offset, Number<uint64_t>(name));
  const GgufBlock block = BlockOf(type);
  if (block.numbers == 0) {
    return absl::UnimplementedError(
        absl::StrCat(name, " must be of one of the formats ", GgufTypeNames(),
                     ", got ", GgufTypeName(type)));
  }
  if (tensor.shape.back() % block.numbers != 0) {
    return Invalid(
        name, absl::StrCat("made of rows of whole blocks of ", block.numbers),
        absl::StrCat(tensor.shape.back()));
  }
  tensor.type = static_cast<GgufType>(type);
  const size_t index = file_.tensors_.size();
  if (!file_.tensor_index_.emplace(tensor.name, index).second) {
    return Invalid(name, "unique", "it twice");
  }
  file_.tensors_.push_back(std::move(tensor));
  offsets_.push_back(offset);
  return absl::OkStatus();
}

absl::Status GgufFile::Parser::PlaceTensors() {
  const uint64_t size_of_file = file_.source_.size();
  // The data starts at the next multiple of the alignment. A truncated file may
  // end before.
  const uint64_t padding = (alignment_ - at_ % alignment_) % alignment_;
  const uint64_t data = std::min(at_ + padding, size_of_file);
  const uint64_t data_size = size_of_file - data;
  for (size_t i = 0; i < offsets_.size(); ++i) {
    GgufTensor& tensor = file_.tensors_[i];
    const GgufBlock block = BlockOf(static_cast<uint32_t>(tensor.type));
    // The size is below 2^40 / 1 * 34, so it does not overflow.
    const uint64_t size =
        static_cast<uint64_t>(tensor.count / block.numbers * block.bytes);
    if (offsets_[i] % alignment_ != 0 || offsets_[i] > data_size ||
        size > data_size - offsets_[i]) {
      return Invalid(
          absl::StrCat("tensor ", Quote(tensor.name)),
          absl::StrCat("within the ", data_size, " bytes of data, aligned to ",
                       alignment_),
          absl::StrCat(size, " bytes at ", offsets_[i], " (truncated?)"));
    }
    tensor.offset = data + offsets_[i];
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(Source source) {
  std::unique_ptr<GgufFile> file(new GgufFile(std::move(source)));
  AHA_RETURN_IF_ERROR(Parser(file.get()).Run());
  return file;
}

}  // namespace aha
