#include "model/gguf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"

namespace aha {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view rule,
                     absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", rule, ", got ", value));
}

template <class T>
const char* KindName() {
  if constexpr (std::is_same_v<T, int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, bool>) return "a bool";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    return "an array of strings";
  }
  return "an array of integers";
}

const char* KindOf(const GgufValue& value) {
  constexpr const char* kNames[] = {"an integer",
                                    "a number",
                                    "a bool",
                                    "a string",
                                    "an array of integers",
                                    "an array of numbers",
                                    "an array of strings"};
  return kNames[value.index()];
}

template <class T>
absl::StatusOr<const T*> Get(const GgufFile& file, absl::string_view key) {
  const GgufValue* value = file.Find(key);
  if (value == nullptr) {
    return absl::NotFoundError(absl::StrCat(key, " must be there"));
  }
  if (const T* typed = std::get_if<T>(value)) return typed;
  return Invalid(key, KindName<T>(), KindOf(*value));
}

}  // namespace

class GgufFile::Mapping {
 public:
  static absl::StatusOr<std::unique_ptr<Mapping>> Open(
      const std::string& path) {
    // Without O_NONBLOCK a pipe would keep us until somebody writes to it.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return FileError("cannot open", path, errno);
    std::unique_ptr<Mapping> mapping(new Mapping(fd));
    struct stat status = {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
      return Invalid(path, "a file", "something else");
    }
    if (status.st_size == 0) return Invalid(path, "a GGUF file", "0 bytes");
    mapping->size_ = static_cast<size_t>(status.st_size);
    mapping->data_ =
        ::mmap(nullptr, mapping->size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping->data_ == MAP_FAILED) {
      return FileError("cannot map", path, errno);
    }
    return mapping;
  }
  ~Mapping() {
    if (data_ != MAP_FAILED) ::munmap(data_, size_);
    ::close(fd_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  absl::string_view bytes() const {
    return {static_cast<const char*>(data_), size_};
  }

 private:
  explicit Mapping(int fd) : fd_(fd) {}

  const int fd_;
  void* data_ = MAP_FAILED;
  size_t size_ = 0;
};

GgufFile::GgufFile() = default;
GgufFile::~GgufFile() = default;

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(
    const std::string& path) {
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Mapping> mapping, Mapping::Open(path));
  absl::StatusOr<std::unique_ptr<GgufFile>> file = Parse(mapping->bytes());
  if (!file.ok()) {
    return absl::Status(file.status().code(),
                        absl::StrCat(path, ": ", file.status().message()));
  }
  (*file)->mapping_ = std::move(mapping);
  return file;
}

const GgufValue* GgufFile::Find(absl::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

absl::StatusOr<int64_t> GgufFile::Integer(absl::string_view key) const {
  AHA_ASSIGN_OR_RETURN(const int64_t* value, Get<int64_t>(*this, key));
  return *value;
}

absl::StatusOr<double> GgufFile::Number(absl::string_view key) const {
  const GgufValue* value = Find(key);
  if (value != nullptr && std::holds_alternative<double>(*value)) {
    return std::get<double>(*value);
  }
  AHA_ASSIGN_OR_RETURN(const int64_t integer, Integer(key));
  return static_cast<double>(integer);
}

absl::StatusOr<bool> GgufFile::Bool(absl::string_view key) const {
  AHA_ASSIGN_OR_RETURN(const bool* value, Get<bool>(*this, key));
  return *value;
}

absl::StatusOr<std::string> GgufFile::String(absl::string_view key) const {
  AHA_ASSIGN_OR_RETURN(const std::string* value, Get<std::string>(*this, key));
  return *value;
}

absl::StatusOr<const std::vector<std::string>*> GgufFile::Strings(
    absl::string_view key) const {
  return Get<std::vector<std::string>>(*this, key);
}

absl::StatusOr<const std::vector<int64_t>*> GgufFile::Integers(
    absl::string_view key) const {
  return Get<std::vector<int64_t>>(*this, key);
}

const GgufTensor* GgufFile::FindTensor(absl::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace aha
