#include "rl/schedule.h"

#include <bit>
#include <cassert>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/names.h"

namespace aha {
namespace {

constexpr NamedValue<LearningRateSchedule::Type> kSchedules[] = {
    {LearningRateSchedule::Type::kConstant, "constant"},
    {LearningRateSchedule::Type::kCosine, "cosine"}};

// Four rounds suffice in theory; more are used because the halves are as narrow
// as one bit for short prompt files.
constexpr int kFeistelRounds = 10;

// A permutation of [0, 2^(2 * half_bits)).
uint64_t Feistel(const RandomKey& key, uint64_t value, int half_bits) {
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t left = value >> half_bits;
  uint64_t right = value & mask;
  for (int round = 0; round < kFeistelRounds; ++round) {
    const uint64_t counter = (static_cast<uint64_t>(round) << 32) | right;
    const uint64_t next = left ^ (key.Block(counter)[0] & mask);
    left = right;
    right = next;
  }
  return (left << half_bits) | right;
}

}  // namespace

uint64_t Permute(const RandomKey& key, uint64_t i, uint64_t n) {
  assert(i < n && n <= (uint64_t{1} << 62));
  if (n == 1) return 0;
  const int half_bits = (std::bit_width(n - 1) + 1) / 2;
  // The domain is less than four times n, and walking a cycle of a permutation
  // from inside [0, n) comes back inside.
  do {
    i = Feistel(key, i, half_bits);
  } while (i >= n);
  return i;
}

uint64_t PromptIndex(const PromptOrder& order, uint64_t step, uint32_t slot) {
  assert(order.num_prompts >= 1 && order.prompts_per_step >= 1);
  const uint64_t position = step * order.prompts_per_step + slot;
  const uint64_t epoch = position / order.num_prompts;
  const RandomKey key(order.seed, RandomPurpose::kPromptOrder, order.stage,
                      epoch);
  return Permute(key, position % order.num_prompts, order.num_prompts);
}

absl::StatusOr<LearningRateSchedule::Type> LearningRateSchedule::ParseType(
    absl::string_view text) {
  return ValueOfName("lr_scheduler_type", kSchedules, text);
}

absl::Status LearningRateSchedule::Validate() const {
  if (!(peak > 0) || !std::isfinite(peak)) {
    return absl::InvalidArgumentError(
        absl::StrCat("learning_rate must be above 0, got ", peak));
  }
  if (!(min_ratio >= 0 && min_ratio <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("min_lr_ratio must be in [0, 1], got ", min_ratio));
  }
  if (total_steps < 1 || warmup_steps > total_steps) {
    return absl::InvalidArgumentError(
        absl::StrCat("warmup_steps must be at most steps, got ", warmup_steps,
                     " and ", total_steps));
  }
  return absl::OkStatus();
}

double LearningRateSchedule::At(uint64_t step) const {
  if (step < warmup_steps) {
    return peak * static_cast<double>(step + 1) /
           static_cast<double>(warmup_steps);
  }
  if (type == Type::kConstant || step >= total_steps) {
    return type == Type::kConstant ? peak : peak * min_ratio;
  }
  const double progress = static_cast<double>(step - warmup_steps) /
                          static_cast<double>(total_steps - warmup_steps);
  constexpr double kPi = 3.141592653589793;
  return peak *
         (min_ratio + (1 - min_ratio) * 0.5 * (1 + std::cos(kPi * progress)));
}

}  // namespace aha
