// Raw memory for tensors. It is aligned to cache lines and asks for huge pages:
// weights and activations are streamed, and with 4 KiB pages TLB misses would
// slow that down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace aha {

// Returns memory aligned to 64 bytes, or to 2 MiB if it is that large; null
// only for 0 bytes. Throws std::bad_alloc like operator new.
void* Allocate(size_t bytes);
void* AllocateZeroed(size_t bytes);
void FreeAllocated(void* memory);

// Asks for huge pages for memory that has not been touched yet.
void AdviseHugePages(void* memory, size_t bytes);

// Memory that grows and never shrinks. Its contents are arbitrary at first and
// are lost when it grows. A moved-from buffer may only be destroyed.
// Thread-compatible.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) { Reserve(bytes); }

  // Grows to at least this many bytes.
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
  // Returns room for at least `count` elements of T.
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
