#include "ops/rope.h"

#include <cmath>

namespace aha::ops {
namespace {

std::vector<double> PlainFrequencies(int64_t head_dim, double theta) {
  std::vector<double> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(
        theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
  }
  return frequencies;
}

}  // namespace

RopeTable::RopeTable(int64_t max_positions, int64_t head_dim, double theta)
    : RopeTable(max_positions, PlainFrequencies(head_dim, theta)) {}

RopeTable::RopeTable(int64_t max_positions,
                     absl::Span<const double> frequencies, double factor)
    : head_dim_(2 * static_cast<int64_t>(frequencies.size())),
      half_(head_dim_ / 2),
      cos_(static_cast<size_t>(max_positions * half_)),
      sin_(cos_.size()) {
  for (int64_t i = 0; i < half_; ++i) {
    for (int64_t p = 0; p < max_positions; ++p) {
      const double angle =
          static_cast<double>(p) * frequencies[static_cast<size_t>(i)];
      cos_[p * half_ + i] = static_cast<float>(factor * std::cos(angle));
      sin_[p * half_ + i] = static_cast<float>(factor * std::sin(angle));
    }
  }
}

}  // namespace aha::ops
