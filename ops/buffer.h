// Raw memory on a cache line's boundary.  Internal to ops/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace aha::ops {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) { Reserve(bytes); }

  // Contents are lost if it grows.
  void Reserve(size_t bytes);
  std::byte* data() const { return data_.get(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

// This thread's scratch number `slot` (0 to 3), at least `count` floats.  Lives
// until the next call for the slot in this thread.
float* ThreadScratch(int slot, int64_t count);

}  // namespace aha::ops
