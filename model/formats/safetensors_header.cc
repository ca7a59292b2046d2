// Parses the header of a safetensors file (model/formats/safetensors.h). The
// header is read as a stream of JSON events, and the tensors are then checked
// to cover the data exactly.
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "model/formats/safetensors.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

constexpr size_t kMaxRank = 8;
constexpr size_t kMaxName = 1024;
constexpr uint64_t kMaxExtent = uint64_t{1} << 48;

// Returns 0 if it is not a dtype of the format.
uint64_t BytesPerElement(absl::string_view dtype) {
  for (const char* name : {"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"}) {
    if (dtype == name) return 1;
  }
  for (const char* name : {"I16", "U16", "F16", "BF16"}) {
    if (dtype == name) return 2;
  }
  for (const char* name : {"I32", "U32", "F32"}) {
    if (dtype == name) return 4;
  }
  for (const char* name : {"I64", "U64", "F64"}) {
    if (dtype == name) return 8;
  }
  return 0;
}

// Makes the text printable and short, for messages.
std::string Show(absl::string_view text) {
  return absl::StrCat("\"", absl::CEscape(text.substr(0, 100)), "\"",
                      text.size() > 100 ? "..." : "");
}

// A state machine over JSON events. It builds no tree, so nesting is bounded,
// and it sees a key that appears twice.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<StoredTensor> TakeTensors() { return std::move(tensors_); }
  absl::Status status() const { return status_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override {
    return Unexpected("a negative number");
  }
  bool number_float(number_float_t, const string_t&) override {
    return Unexpected("a fraction");
  }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (tensors_.back().shape.size() == kMaxRank) {
        return Fail(absl::StrCat("shape must have at most ", kMaxRank,
                                 " dimensions, found more"));
      }
      if (value > kMaxExtent) {
        return Fail(absl::StrCat("shape must have dimensions of at most ",
                                 kMaxExtent, ", found ", value));
      }
      tensors_.back().shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsets) {
      if (offsets_ == 0) tensors_.back().begin = value;
      if (offsets_ == 1) tensors_.back().end = value;
      ++offsets_;
      return true;
    }
    return Unexpected("a number");
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata && !field_.empty()) return true;
    if (place_ != Place::kTensor || field_ != "dtype") {
      return Unexpected("a string");
    }
    if (BytesPerElement(value) == 0) {
      return Fail(absl::StrCat("dtype must be one of the format's, found ",
                               Show(value)));
    }
    tensors_.back().dtype = value;
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
      return true;
    }
    if (place_ != Place::kTop) return Unexpected("an object");
    if (field_ == "__metadata__") {
      place_ = Place::kMetadata;
    } else {
      tensors_.emplace_back().name = field_;
      fields_.clear();
      place_ = Place::kTensor;
    }
    field_.clear();
    return true;
  }

  bool key(string_t& name) override {
    if (place_ == Place::kTop) {
      if (name.empty() || name.size() > kMaxName) {
        return Fail(absl::StrCat("names must have 1 to ", kMaxName,
                                 " bytes, found ", Show(name)));
      }
      // The library itself accepts a key that appears twice.
      if (!names_.insert(name).second) {
        return Fail(
            absl::StrCat("names must be unique, found ", Show(name), " twice"));
      }
    } else if (place_ == Place::kTensor) {
      if (name != "dtype" && name != "shape" && name != "data_offsets") {
        return Fail(
            absl::StrCat("fields must be dtype, shape and data_offsets, found ",
                         Show(name)));
      }
      if (!fields_.insert(name).second) {
        return Fail(absl::StrCat(name, " must appear once, found it twice"));
      }
    }
    field_ = name;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      if (fields_.size() != 3) {
        return Fail(
            absl::StrCat("must have dtype, shape and data_offsets, found only ",
                         absl::StrJoin(fields_, " and ")));
      }
      place_ = Place::kTop;
    } else {
      place_ = place_ == Place::kMetadata ? Place::kTop : Place::kEnd;
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kTensor && field_ == "shape") {
      place_ = Place::kShape;
      return true;
    }
    if (place_ == Place::kTensor && field_ == "data_offsets") {
      place_ = Place::kOffsets;
      offsets_ = 0;
      return true;
    }
    return Unexpected("an array");
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && offsets_ != 2) {
      return Fail(
          absl::StrCat("data_offsets must be 2 numbers, found ", offsets_));
    }
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    status_ = absl::InvalidArgumentError(absl::StrCat(
        "header: must be JSON, found an error at byte ", position));
    return false;
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool Fail(absl::string_view problem) {
    const bool in_tensor = place_ == Place::kTensor ||
                           place_ == Place::kShape || place_ == Place::kOffsets;
    status_ = absl::InvalidArgumentError(absl::StrCat(
        in_tensor ? absl::StrCat("tensor ", Show(tensors_.back().name), ": ")
                  : "header: ",
        problem));
    return false;
  }

  bool Unexpected(absl::string_view what) {
    switch (place_) {
      case Place::kStart:
        return Fail(absl::StrCat("must be a JSON object, found ", what));
      case Place::kTop:
        return Fail(
            absl::StrCat(Show(field_), " must be an object, found ", what));
      case Place::kMetadata:
        return Fail(
            absl::StrCat("__metadata__ must hold strings, found ", what));
      default:
        return Fail(absl::StrCat("unexpected ", what, " in ", Show(field_)));
    }
  }

  Place place_ = Place::kStart;
  std::string field_;  // The latest key.
  absl::flat_hash_set<std::string> names_;
  absl::flat_hash_set<std::string> fields_;  // Fields seen in this tensor.
  uint64_t offsets_ = 0;                     // Numbers seen in data_offsets.
  std::vector<StoredTensor> tensors_;
  absl::Status status_;
};

absl::Status TensorError(const StoredTensor& tensor,
                         absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("tensor ", Show(tensor.name), ": ", problem));
}

absl::Status CheckSize(const StoredTensor& tensor, uint64_t data_bytes) {
  if (tensor.begin > tensor.end || tensor.end > data_bytes) {
    return TensorError(
        tensor, absl::StrCat("data_offsets must be ascending and within ",
                             data_bytes, " bytes of data, found [",
                             tensor.begin, ", ", tensor.end, "]"));
  }
  uint64_t want = BytesPerElement(tensor.dtype);
  for (const int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(want, static_cast<uint64_t>(extent), &want)) {
      return TensorError(tensor,
                         absl::StrCat("shape must fit 64 bits, found [",
                                      absl::StrJoin(tensor.shape, ", "), "]"));
    }
  }
  if (tensor.end - tensor.begin != want) {
    return TensorError(
        tensor,
        absl::StrCat("data_offsets must span the ", want, " bytes of shape [",
                     absl::StrJoin(tensor.shape, ", "), "] in ", tensor.dtype,
                     ", found ", tensor.end - tensor.begin));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> SafetensorsHeaderLength(const uint8_t bytes[8],
                                                 uint64_t file_bytes) {
  if (absl::StartsWith(
          absl::string_view(reinterpret_cast<const char*>(bytes), 8),
          "version ")) {
    return absl::InvalidArgumentError(
        "must be a safetensors file, found the text of a git-lfs pointer: "
        "fetch the file itself with `git lfs pull`");
  }
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
  if (length > kMaxSafetensorsHeader) {
    return absl::InvalidArgumentError(
        absl::StrCat("header: length must be at most ", kMaxSafetensorsHeader,
                     ", found ", length));
  }
  if (file_bytes < 8 || length > file_bytes - 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("header: length must fit the file's ", file_bytes,
                     " bytes, found ", length));
  }
  return length;
}

absl::StatusOr<std::vector<StoredTensor>> ParseSafetensorsHeader(
    absl::string_view json, uint64_t data_bytes) {
  // The library would take a zero byte for the end.
  if (const size_t zero = json.find('\0'); zero != json.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "header: must be JSON, has a zero byte at byte ", zero + 1));
  }
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) {
    const absl::Status status = reader.status();
    return status.ok() ? absl::InvalidArgumentError("header: must be JSON")
                       : status;
  }
  std::vector<StoredTensor> tensors = reader.TakeTensors();
  // In this order each tensor must begin where the one before it ends.
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) {
              return std::tie(a.begin, a.end, a.name) <
                     std::tie(b.begin, b.end, b.name);
            });
  uint64_t covered = 0;
  for (const StoredTensor& tensor : tensors) {
    AHA_RETURN_IF_ERROR(CheckSize(tensor, data_bytes));
    if (tensor.begin != covered) {
      return TensorError(
          tensor, absl::StrCat("data_offsets must begin where the tensor "
                               "before ends, at ",
                               covered, ", found ", tensor.begin));
    }
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("header: tensors must cover all ", data_bytes,
                     " bytes of data, found ", covered));
  }
  return tensors;
}

}  // namespace aha
