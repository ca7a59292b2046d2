#include "rl/checksum.h"

#include <bit>

namespace aha {

// Arrays are hashed as they lie in memory.
static_assert(std::endian::native == std::endian::little);

Hash128 GroupDigest(const GroupRecord& key,
                    absl::Span<const TrajectoryRecord> trajectories) {
  Hasher hasher;
  hasher.String("aha.group.1");
  hasher.U64(key.stage);
  hasher.U64(key.step);
  hasher.U64(key.slot);
  hasher.U64(trajectories.size());
  for (const TrajectoryRecord& t : trajectories) {
    hasher.U64(t.token_ids.size());
    hasher.Raw(t.token_ids.data(), t.token_ids.size() * sizeof(int32_t));
    hasher.U64(t.logprobs.size());
    hasher.Raw(t.logprobs.data(), t.logprobs.size() * sizeof(float));
    hasher.U64(std::bit_cast<uint64_t>(t.reward));
    hasher.U64(t.finish_reason);
  }
  return hasher.Finish();
}

Hash128 NextChain(const Hash128& previous, uint32_t stage, uint64_t step,
                  absl::Span<const Hash128> groups, const Hash128& weights) {
  Hasher hasher;
  hasher.String("aha.chain.1");
  hasher.Hash(previous);
  hasher.U64(stage);
  hasher.U64(step);
  hasher.U64(groups.size());
  for (const Hash128& group : groups) hasher.Hash(group);
  hasher.Hash(weights);
  return hasher.Finish();
}

}  // namespace aha
