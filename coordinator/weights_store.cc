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

namespace aha::coordinator {
namespace {

std::string Name(WeightsId id) {
  return absl::StrCat("weights ", id.ToString());
}

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

IncomingVersion::IncomingVersion(WeightsId id, VersionInfo info,
                                 std::string path, int fd)
    : id_(id), info_(info), path_(std::move(path)), fd_(fd) {}

IncomingVersion::~IncomingVersion() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(path_.c_str());
}

absl::Status IncomingVersion::Append(uint64_t offset, absl::string_view data,
                                     uint64_t data_hash) {
  if (offset != next_) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(id_), ": offset: must be ", next_, ", got ", offset));
  }
  if (data.size() > kMaxPieceBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(id_), ": data: must have at most ", kMaxPieceBytes,
                     " bytes, got ", data.size()));
  }
  if (data.size() > info_.bytes - next_) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(id_), ": data: ends beyond total_bytes (", info_.bytes, ")"));
  }
  if (Hash64(data.data(), data.size()) != data_hash) {
    return absl::DataLossError(absl::StrCat(Name(id_), ": the piece at offset ",
                                            offset, " arrived damaged"));
  }
  AHA_RETURN_IF_ERROR(WriteAll(fd_, data, offset, path_));
  hasher_.Raw(data.data(), data.size());
  next_ += data.size();
  return absl::OkStatus();
}

VersionReader::~VersionReader() { close(fd_); }

absl::Status VersionReader::Read(uint64_t offset, std::string* data) const {
  const uint64_t left = offset < info_.bytes ? info_.bytes - offset : 0;
  data->resize(std::min<uint64_t>(left, kMaxPieceBytes));
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

std::string WeightsStore::Path(WeightsId id) const {
  return absl::StrCat(directory_, "/", id.stage, "-", id.version,
                      ".safetensors");
}

absl::StatusOr<std::unique_ptr<IncomingVersion>> WeightsStore::Begin(
    WeightsId id, VersionInfo info) {
  uint64_t number = 0;
  {
    MutexLock lock(mutex_);
    number = next_temporary_++;
  }
  std::string path = absl::StrCat(Path(id), ".", number, ".tmp");
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("cannot create", path, errno);
  return std::unique_ptr<IncomingVersion>(
      new IncomingVersion(id, info, std::move(path), fd));
}

absl::Status WeightsStore::Finish(std::unique_ptr<IncomingVersion> incoming) {
  const WeightsId id = incoming->id_;
  const VersionInfo& info = incoming->info_;
  if (incoming->next_ != info.bytes) {
    return absl::InvalidArgumentError(absl::StrCat(Name(id), ": ended after ",
                                                   incoming->next_, " of ",
                                                   info.bytes, " bytes"));
  }
  if (incoming->hasher_.Finish() != info.checksum) {
    return absl::DataLossError(absl::StrCat(
        Name(id), ": the bytes do not have the checksum that was announced"));
  }
  MutexLock lock(mutex_);
  const auto it = versions_.find(id);
  if (it != versions_.end()) {
    if (it->second.info == info) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        Name(id), " was published before with checksum ",
        it->second.info.checksum.Hex(), ", now with ", info.checksum.Hex()));
  }
  if (rename(incoming->path_.c_str(), Path(id).c_str()) != 0) {
    return FileError("cannot rename", incoming->path_, errno);
  }
  close(incoming->fd_);
  incoming->fd_ = -1;
  versions_[id] = {.info = info};
  return absl::OkStatus();
}

std::optional<VersionInfo> WeightsStore::Find(WeightsId id) const {
  MutexLock lock(mutex_);
  const auto it = versions_.find(id);
  if (it == versions_.end()) return std::nullopt;
  return it->second.info;
}

absl::Status WeightsStore::Commit(WeightsId id) {
  MutexLock lock(mutex_);
  const auto it = versions_.find(id);
  if (it == versions_.end()) {
    return absl::NotFoundError(absl::StrCat(Name(id), " was not published"));
  }
  it->second.visible = true;
  return absl::OkStatus();
}

bool WeightsStore::IsVisible(WeightsId id) const {
  MutexLock lock(mutex_);
  const auto it = versions_.find(id);
  return it != versions_.end() && it->second.visible;
}

absl::StatusOr<std::unique_ptr<VersionReader>> WeightsStore::Read(
    WeightsId id) const {
  MutexLock lock(mutex_);
  const auto it = versions_.find(id);
  if (it == versions_.end() || !it->second.visible) {
    return absl::NotFoundError(absl::StrCat(Name(id), " is not held"));
  }
  const int fd = open(Path(id).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", Path(id), errno);
  return std::unique_ptr<VersionReader>(
      new VersionReader(it->second.info, Path(id), fd));
}

void WeightsStore::DropBelow(WeightsId oldest) {
  DropIf([&](WeightsId id) { return id < oldest; });
}

void WeightsStore::DropAll() {
  DropIf([](WeightsId) { return true; });
}

void WeightsStore::DropIf(const std::function<bool(WeightsId)>& unwanted) {
  MutexLock lock(mutex_);
  std::erase_if(versions_, [&](const auto& entry) {
    if (!unwanted(entry.first)) return false;
    unlink(Path(entry.first).c_str());
    return true;
  });
}

}  // namespace aha::coordinator
