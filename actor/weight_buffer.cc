#include "actor/weight_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ceil_div.h"

namespace aha::actor {

absl::StatusOr<WeightBuffer> WeightBuffer::New(uint64_t bytes) {
  const auto failed = [bytes](const char* call) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no room for ", bytes, " bytes of weights: ", call, ": ",
                     std::strerror(errno)));
  };
  const int fd = memfd_create("aha-weights", MFD_CLOEXEC);
  if (fd < 0) return failed("memfd_create");
  WeightBuffer buffer(fd, nullptr, 0);
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) return failed("ftruncate");
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return failed("mmap");
  buffer.data_ = static_cast<char*>(data);
  buffer.size_ = bytes;
  return buffer;
}

WeightBuffer::~WeightBuffer() {
  if (data_ != nullptr) munmap(data_, size_);
  if (fd_ >= 0) close(fd_);
}

WeightBuffer::WeightBuffer(WeightBuffer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

WeightBuffer& WeightBuffer::operator=(WeightBuffer&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void WeightBuffer::Discard(const void* data, uint64_t bytes) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t at = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = RoundUp(at, page);
  const uintptr_t end = (at + bytes) / page * page;
  // If it fails, the memory merely stays allocated.
  if (begin < end) {
    (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_REMOVE);
  }
}

std::string WeightBuffer::path() const {
  return absl::StrCat("/proc/self/fd/", fd_);
}

}  // namespace aha::actor
