// Chunks of made-up weights.
#pragma once

#include <string>

#include "aha/v1/weights.pb.h"
#include "base/hash.h"
#include "base/rng.h"
#include "job/ids.h"

namespace aha::actor {

inline std::string RandomBytes(size_t size, uint64_t seed = 1) {
  const RandomKey key(seed, RandomPurpose::kTest);
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(key.Bits(i));
  return bytes;
}

// Returns the chunk bytes[offset, offset + size), shortened at the end of the
// bytes.
inline v1::WeightsChunk Chunk(const WeightsId& id, uint64_t epoch,
                              const std::string& bytes, uint64_t offset,
                              uint64_t size) {
  v1::WeightsChunk chunk;
  *chunk.mutable_id() = id.ToProto();
  chunk.set_encoding(v1::WEIGHTS_ENCODING_FULL);
  chunk.set_epoch(epoch);
  chunk.set_total_bytes(bytes.size());
  chunk.set_checksum(HashBytes(bytes.data(), bytes.size()).ToBytes());
  chunk.set_offset(offset);
  chunk.set_data(bytes.substr(offset, size));
  chunk.set_data_hash(Hash64(chunk.data().data(), chunk.data().size()));
  return chunk;
}

}  // namespace aha::actor
