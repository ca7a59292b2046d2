// Scratch memory: 64-byte aligned, huge pages advised, grows and never shrinks.
// Contents are lost when it grows, and arbitrary at first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace aha {

// Aligned to 64 bytes (to 2 MiB from that size on); null only for 0 bytes.
// Throws std::bad_alloc like operator new.
void* Allocate(size_t bytes);
void* AllocateZeroed(size_t bytes);
void FreeAllocated(void* memory);

// For memory that is not touched yet.
void AdviseHugePages(void* memory, size_t bytes);

// Thread-compatible.
class Buffer {
 public:
  // At least `count` elements of T.
  template <class T>
  T* Get(int64_t count) {
    return static_cast<T*>(Bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  void* Bytes(size_t size) {
    if (size > size_) {
      memory_.reset();
      memory_.reset(Allocate(size));
      size_ = size;
    }
    return memory_.get();
  }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* memory) const { FreeAllocated(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  size_t size_ = 0;
};

}  // namespace aha
