#include "coordinator/weights_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "job/weights_encoding.h"

namespace aha::coordinator {
namespace {

absl::Status WriteAll(int fd, absl::string_view data, uint64_t offset,
                      const std::string& path) {
  while (!data.empty()) {
    const ssize_t written =
        pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("cannot write", path, errno);
    data.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace

std::string WeightsKey::ToString() const {
  return absl::StrCat("weights ", id.ToString(),
                      encoding == v1::WEIGHTS_ENCODING_FULL
                          ? ""
                          : absl::StrCat(" as ", NameOf(encoding)));
}

IncomingVersion::IncomingVersion(WeightsKey key, VersionInfo info,
                                 std::string path, int fd)
    : key_(key), info_(info), path_(std::move(path)), fd_(fd) {}

IncomingVersion::~IncomingVersion() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(path_.c_str());
}

absl::Status IncomingVersion::Append(uint64_t offset, absl::string_view data,
                                     uint64_t data_hash) {
  if (offset != next_) {
    return absl::InvalidArgumentError(absl::StrCat(
        key_.ToString(), ": offset: must be ", next_, ", got ", offset));
  }
  if (data.size() > kMaxWeightsChunk) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_.ToString(), ": data: must have at most ",
                     kMaxWeightsChunk, " bytes, got ", data.size()));
  }
  if (data.size() > info_.bytes - next_) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_.ToString(), ": data: ends beyond total_bytes (",
                     info_.bytes, ")"));
  }
  if (Hash64(data.data(), data.size()) != data_hash) {
    return absl::DataLossError(absl::StrCat(
        key_.ToString(), ": the chunk at offset ", offset, " arrived damaged"));
  }
  AHA_RETURN_IF_ERROR(WriteAll(fd_, data, offset, path_));
  hasher_.Raw(data.data(), data.size());
  next_ += data.size();
  return absl::OkStatus();
}

VersionReader::~VersionReader() { close(fd_); }

absl::Status VersionReader::Read(uint64_t offset, std::string* data) const {
  const uint64_t left = offset < info_.bytes ? info_.bytes - offset : 0;
  data->resize(std::min<uint64_t>(left, kMaxWeightsChunk));
  size_t filled = 0;
  while (filled < data->size()) {
    const ssize_t got = pread(fd_, data->data() + filled, data->size() - filled,
                              static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("cannot read", path_, errno);
    if (got == 0)
      return absl::DataLossError(absl::StrCat(path_, " was cut short"));
    filled += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<WeightsStore>> WeightsStore::Open(
    const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot make ", directory, ": ", error.message()));
  }
  std::vector<std::filesystem::path> old;
  for (auto it = std::filesystem::directory_iterator(directory, error);
       !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    old.push_back(it->path());
  }
  for (const std::filesystem::path& path : old) {
    if (!error) std::filesystem::remove(path, error);
  }
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot empty ", directory, ": ", error.message()));
  }
  return std::unique_ptr<WeightsStore>(new WeightsStore(directory));
}

std::string WeightsStore::Path(WeightsKey key) const {
  return absl::StrCat(directory_, "/", key.id.stage, "-", key.id.version, "-",
                      NameOf(key.encoding));
}

absl::StatusOr<std::unique_ptr<IncomingVersion>> WeightsStore::Begin(
    WeightsKey key, VersionInfo info) {
  uint64_t number = 0;
  {
    MutexLock lock(mutex_);
    number = next_temporary_++;
  }
  std::string path = absl::StrCat(Path(key), ".", number, ".tmp");
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("cannot create", path, errno);
  return std::unique_ptr<IncomingVersion>(
      new IncomingVersion(key, info, std::move(path), fd));
}

absl::Status WeightsStore::Finish(std::unique_ptr<IncomingVersion> incoming) {
  const WeightsKey key = incoming->key_;
  const VersionInfo& info = incoming->info_;
  if (incoming->next_ != info.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(key.ToString(), ": ended after ", incoming->next_, " of ",
                     info.bytes, " bytes"));
  }
  if (incoming->hasher_.Finish() != info.checksum) {
    return absl::DataLossError(absl::StrCat(
        key.ToString(),
        ": the bytes do not have the checksum that was announced"));
  }
  MutexLock lock(mutex_);
  const auto it = held_.find(key);
  if (it != held_.end()) {
    if (it->second == info) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        key.ToString(), " was published before with checksum ",
        it->second.checksum.Hex(), ", now with ", info.checksum.Hex()));
  }
  if (rename(incoming->path_.c_str(), Path(key).c_str()) != 0) {
    return FileError("cannot rename", incoming->path_, errno);
  }
  close(incoming->fd_);
  incoming->fd_ = -1;
  held_.emplace(key, info);
  return absl::OkStatus();
}

std::optional<VersionInfo> WeightsStore::Find(WeightsKey key) const {
  MutexLock lock(mutex_);
  const auto it = held_.find(key);
  if (it == held_.end()) return std::nullopt;
  return it->second;
}

absl::Status WeightsStore::Commit(WeightsId id) {
  MutexLock lock(mutex_);
  const WeightsKey whole = id;
  if (!held_.contains(whole)) {
    return absl::NotFoundError(
        absl::StrCat(whole.ToString(), " was not published"));
  }
  visible_.insert(id);
  return absl::OkStatus();
}

bool WeightsStore::IsVisible(WeightsId id) const {
  MutexLock lock(mutex_);
  return visible_.contains(id);
}

absl::StatusOr<std::unique_ptr<VersionReader>> WeightsStore::Read(
    WeightsKey key) const {
  MutexLock lock(mutex_);
  const auto it = held_.find(key);
  if (it == held_.end() || !visible_.contains(key.id)) {
    return absl::NotFoundError(absl::StrCat(key.ToString(), " is not held"));
  }
  const int fd = open(Path(key).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", Path(key), errno);
  return std::unique_ptr<VersionReader>(
      new VersionReader(it->second, Path(key), fd));
}

void WeightsStore::DropBelow(WeightsId oldest) {
  DropIf([&](WeightsId id) { return id < oldest; });
}

void WeightsStore::DropAll() {
  DropIf([](WeightsId) { return true; });
}

void WeightsStore::DropIf(const std::function<bool(WeightsId)>& unwanted) {
  MutexLock lock(mutex_);
  std::erase_if(visible_, unwanted);
  std::erase_if(held_, [&](const auto& entry) {
    if (!unwanted(entry.first.id)) return false;
    unlink(Path(entry.first).c_str());
    return true;
  });
}

}  // namespace aha::coordinator
