#include "ops/rope.h"

#include <cmath>

namespace aha::ops {

RopeTable::RopeTable(int64_t max_positions, int64_t head_dim, double theta)
    : head_dim_(head_dim),
      half_(head_dim / 2),
      cos_(static_cast<size_t>(max_positions * half_)),
      sin_(cos_.size()) {
  for (int64_t i = 0; i < half_; ++i) {
    const double frequency = std::pow(
        theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    for (int64_t p = 0; p < max_positions; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      cos_[p * half_ + i] = static_cast<float>(std::cos(angle));
      sin_[p * half_ + i] = static_cast<float>(std::sin(angle));
    }
  }
}

}  // namespace aha::ops
