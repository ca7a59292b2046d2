// RopeSettings say how far the positions of a sequence turn queries and keys,
// in the forms that config.json has for it (rope_theta and rope_scaling), and
// gives the frequencies that these forms mean. The formulas are those of
// transformers' modeling_rope_utils.py, in double.
//
// Internal to model/. Pure functions.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace aha {

enum class RopeType {
  kDefault,
  kLinear,    // Every frequency divided by `factor` (Chen et al. 2023).
  kDynamic,   // The base grows with the total length of a sequence beyond
              // max_position_embeddings; up to there it is kDefault.
  kLlama3,    // Low frequencies divided by `factor`, high ones kept.
  kYarn,      // Peng et al. 2023.
  kLongRope,  // Ding et al. 2024, with one set of divisors up to the original
              // length and another one for longer sequences; Aha knows the
              // first.
};

struct RopeScaling {
  RopeType type = RopeType::kDefault;
  double factor = 1;
  double low_freq_factor = 1;   // kLlama3
  double high_freq_factor = 4;  // kLlama3
  // The length for which the model was trained before its positions were
  // scaled: of kLlama3, kYarn and kLongRope.
  int64_t original_max_position_embeddings = 0;
  double beta_fast = 32;        // kYarn
  double beta_slow = 1;         // kYarn
  bool truncate = true;         // kYarn
  double attention_factor = 1;  // kYarn and kLongRope
  // Of kLongRope, one a frequency; the second is kept for export only.
  std::vector<double> short_factor;
  std::vector<double> long_factor;

  auto operator<=>(const RopeScaling&) const = default;
};

struct RopeSettings {
  double theta = 10000;
  RopeScaling scaling;

  auto operator<=>(const RopeSettings&) const = default;
};

// The attention_factor of kYarn if config.json has none; mscale and
// mscale_all_dim are 0 if absent.
double YarnAttentionFactor(double factor, double mscale, double mscale_all_dim);
// The same of kLongRope.
double LongRopeAttentionFactor(double factor, int64_t original_length);

// One frequency, in radians a position, for each of the head_dim / 2 pairs of
// dimensions. REQUIRES: of kLongRope, short_factor has as many entries.
std::vector<double> RopeFrequencies(const RopeSettings& rope, int64_t head_dim);

}  // namespace aha
