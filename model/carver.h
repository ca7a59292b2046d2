// Carver cuts one allocation into aligned pieces, so that what lives together
// is allocated together.
//
// A function that carves is run twice: first with a null base, which only adds
// up sizes, then with the memory of that size.
//
//   const auto carve = [&](Carver carver) {
//     x = carver.Take<float>(rows * cols);
//     y = carver.Bytes(rows * row_bytes);
//     return carver.size();
//   };
//   carve(Carver(buffer.Bytes(carve(Carver(nullptr)))));
//
// A copy of a carver continues from the same place: pieces that are never alive
// at the same time are carved from copies, and AdvanceTo takes the larger end.
//
// Internal to model/.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace aha {

class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* Take(int64_t count) {
    return static_cast<T*>(Bytes(count * static_cast<int64_t>(sizeof(T))));
  }
  void* Bytes(int64_t size) {
    void* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (size + 63) / 64 * 64;
    return piece;
  }
  // Leaves out what `other`, a copy of this carver, has taken.
  void AdvanceTo(const Carver& other) { used_ = std::max(used_, other.used_); }
  size_t size() const { return static_cast<size_t>(used_); }

 private:
  char* base_;
  int64_t used_ = 0;
};

}  // namespace aha
