// Fuzzes what the coordinator may send to an actor: leases and chunks of
// weights.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "actor/trajectory.h"
#include "actor/weight_assembler.h"
#include "aha/v1/coordinator.pb.h"
#include "aha/v1/weights.pb.h"
#include "base/hash.h"
#include "tests/fuzz/messages.h"

namespace {

constexpr aha::WeightsId kPolicy = {.stage = 0, .version = 1};
constexpr uint64_t kMaxBytes = 1 << 16;

void TakeLease(aha::v1::Lease lease) {
  if (!aha::actor::ValidateLease(lease).ok()) return;
  lease.mutable_group()->add_prompt_token_ids(1);
  (void)aha::actor::ToEngineGroup(lease, 1, 2);
}

// With `repair` the chunk gets an encoding that is read and a hash that
// matches, which mutation would seldom find.
void TakeChunk(aha::actor::WeightAssembler& assembler,
               aha::v1::WeightsChunk chunk, bool repair) {
  // Other tests announce terabytes; here they would only be slow.
  if (chunk.total_bytes() > kMaxBytes) return;
  if (repair) {
    chunk.set_encoding(aha::v1::WEIGHTS_ENCODING_FULL);
    chunk.clear_base();
    chunk.set_data_hash(aha::Hash64(chunk.data().data(), chunk.data().size()));
  }
  (void)assembler.Add(chunk);
  if (assembler.whole()) (void)assembler.Take();
  if (assembler.offset() > kMaxBytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  aha::fuzz::Messages messages(data, size);
  aha::actor::WeightAssembler assembler(kPolicy, 1);
  while (messages.Next()) {
    if (messages.kind() % 4 == 0) {
      TakeLease(messages.As<aha::v1::Lease>());
    } else {
      TakeChunk(assembler, messages.As<aha::v1::WeightsChunk>(),
                messages.kind() % 4 == 1);
    }
  }
  return 0;
}
