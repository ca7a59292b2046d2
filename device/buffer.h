// Raw memory for numbers: aligned to cache lines, huge pages advised where they
// pay (weights and activations are streamed, and 4 KiB pages cost TLB misses).
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

// Memory that grows and never shrinks.  Contents are lost when it grows, and
// arbitrary at first.  Of a moved-from buffer only the destructor may be
// called.  Thread-compatible.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) { Reserve(bytes); }

  // At least that many bytes.
  void Reserve(size_t bytes) {
    if (bytes <= size_) return;
    memory_.reset();
    memory_.reset(Allocate(bytes));
    size_ = bytes;
  }
  void* Bytes(size_t bytes) {
    Reserve(bytes);
    return memory_.get();
  }
  // At least `count` elements of T.
  template <class T>
  T* Get(int64_t count) {
    return static_cast<T*>(Bytes(static_cast<size_t>(count) * sizeof(T)));
  }

  std::byte* data() const { return as<std::byte>(); }
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_.get());
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
