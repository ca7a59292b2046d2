#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace aha {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

// A wave longer than `original / low_freq_factor` positions is slowed down, one
// shorter than `original / high_freq_factor` is kept, and between the two both
// are mixed.
double Llama3Frequency(const RopeScaling& s, double frequency) {
  const double original =
      static_cast<double>(s.original_max_position_embeddings);
  const double wave = kTurn / frequency;
  if (wave > original / s.low_freq_factor) return frequency / s.factor;
  if (wave < original / s.high_freq_factor) return frequency;
  const double kept = (original / wave - s.low_freq_factor) /
                      (s.high_freq_factor - s.low_freq_factor);
  return (1 - kept) * frequency / s.factor + kept * frequency;
}

// Which pair of dimensions turns `turns` times over the original length.
double YarnDimension(const RopeSettings& rope, double turns, double head_dim) {
  const double original =
      static_cast<double>(rope.scaling.original_max_position_embeddings);
  return head_dim * std::log(original / (turns * kTurn)) /
         (2 * std::log(rope.theta));
}

// Mixes the frequencies along a ramp over the pairs of dimensions.
void ScaleByYarn(const RopeSettings& rope, int64_t head_dim,
                 std::vector<double>* frequencies) {
  const RopeScaling& s = rope.scaling;
  const double dim = static_cast<double>(head_dim);
  double low = YarnDimension(rope, s.beta_fast, dim);
  double high = YarnDimension(rope, s.beta_slow, dim);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies->size(); ++i) {
    const double slowed =
        std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    double& frequency = (*frequencies)[i];
    frequency = frequency / s.factor * slowed + frequency * (1 - slowed);
  }
}

double Mscale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

}  // namespace

double YarnAttentionFactor(double factor, double mscale,
                           double mscale_all_dim) {
  if (mscale != 0 && mscale_all_dim != 0) {
    return Mscale(factor, mscale) / Mscale(factor, mscale_all_dim);
  }
  return Mscale(factor, 1);
}

double LongRopeAttentionFactor(double factor, int64_t original_length) {
  if (factor <= 1) return 1;
  return std::sqrt(1 + std::log(factor) /
                           std::log(static_cast<double>(original_length)));
}

std::vector<double> RopeFrequencies(const RopeSettings& rope,
                                    int64_t head_dim) {
  const RopeScaling& s = rope.scaling;
  std::vector<double> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) /
                                                static_cast<double>(head_dim));
    if (s.type == RopeType::kLinear) frequency /= s.factor;
    if (s.type == RopeType::kLlama3) frequency = Llama3Frequency(s, frequency);
    if (s.type == RopeType::kLongRope) frequency /= s.short_factor[i];
    frequencies[i] = frequency;
  }
  if (s.type == RopeType::kYarn) ScaleByYarn(rope, head_dim, &frequencies);
  return frequencies;
}

}  // namespace aha
