#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "model/parameters.h"

namespace aha {
namespace {

absl::Status FileError(const std::string& path, const char* call) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat(path, ": ", call));
}

absl::Status WriteAll(int fd, const void* data, size_t size,
                      const std::string& path) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd, at, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError(path, "write");
    }
    at += written;
    size -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status WriteFile(int fd, const Parameters& parameters,
                       const std::string& path) {
  const std::string header = SafetensorsHeader(parameters);
  AHA_RETURN_IF_ERROR(WriteAll(fd, header.data(), header.size(), path));
  AHA_RETURN_IF_ERROR(WriteAll(fd, parameters.data(),
                               static_cast<size_t>(parameters.bytes()), path));
  return ::fsync(fd) == 0 ? absl::OkStatus() : FileError(path, "fsync");
}

}  // namespace

std::string SafetensorsHeader(const Parameters& parameters) {
  const int64_t size = static_cast<int64_t>(SizeOf(parameters.dtype()));
  std::string json = R"({"__metadata__":{"format":"pt"})";
  for (const TensorInfo& tensor : parameters.layout().tensors()) {
    // Names are ours: nothing in them needs escaping.
    absl::StrAppend(&json, ",\"", tensor.name, "\":{\"dtype\":\"",
                    NameOf(parameters.dtype()), "\",\"shape\":[",
                    absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[",
                    tensor.offset * size, ",",
                    (tensor.offset + tensor.count) * size, "]}");
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');  // Aligns the data.
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) {
    length[i] = static_cast<char>(json.size() >> (8 * i));
  }
  return length + json;
}

Hash128 WeightsChecksum(const Parameters& parameters) {
  const std::string header = SafetensorsHeader(parameters);
  Hasher hasher;
  hasher.Raw(header.data(), header.size());
  hasher.Raw(parameters.data(), static_cast<size_t>(parameters.bytes()));
  return hasher.Finish();
}

std::optional<Parameters> BorrowSafetensors(
    absl::string_view file, std::shared_ptr<const ParameterLayout> layout,
    DType dtype) {
  const std::string header =
      SafetensorsHeader(Parameters::Borrow(layout, dtype, nullptr));
  const uint64_t bytes = static_cast<uint64_t>(layout->count()) * SizeOf(dtype);
  if (file.size() != header.size() + bytes || !absl::StartsWith(file, header)) {
    return std::nullopt;
  }
  return Parameters::Borrow(std::move(layout), dtype,
                            file.data() + header.size());
}

absl::Status WriteSafetensors(const Parameters& parameters,
                              const std::string& path) {
  // A reader sees the old file or the whole new one.
  const std::string temporary = absl::StrCat(path, ".", ::getpid(), ".tmp");
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError(temporary, "open");
  absl::Status status = WriteFile(fd, parameters, temporary);
  if (::close(fd) != 0 && status.ok()) status = FileError(temporary, "close");
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(path, "rename");
  }
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

}  // namespace aha
