// Holds the bytes of one version of the weights in anonymous memory that also
// has a file name, so that the reader of safetensors files can read it without
// a copy on a disk.
//
// Move-only owner.  Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace aha::actor {

class WeightBuffer {
 public:
  // RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<WeightBuffer> New(uint64_t bytes);
  ~WeightBuffer();
  WeightBuffer(WeightBuffer&& other) noexcept;
  WeightBuffer& operator=(WeightBuffer&& other) noexcept;

  char* data() { return data_; }
  const char* data() const { return data_; }
  uint64_t size() const { return size_; }
  std::string path() const;  // Valid while the buffer lives.
  // Returns the memory of this part to the system; it reads as zeros from then
  // on.
  void Discard(const void* data, uint64_t bytes);

 private:
  WeightBuffer(int fd, char* data, uint64_t size)
      : fd_(fd), data_(data), size_(size) {}

  int fd_ = -1;
  char* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace aha::actor
