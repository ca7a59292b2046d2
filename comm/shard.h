// A partition of a span of elements over the ranks: rank r holds the elements
// [shards[r].begin, shards[r].end).  ReduceScatterSum and AllGather move
// shards.
//
//   const std::vector<Shard> shards = EvenShards(values.size(), comm.size());
//   comm.ReduceScatterSum("gradients", values, shards);
//   Update(values.subspan(mine.begin, mine.size()));  // mine: shards[rank]
//   comm.AllGather("weights", weights, shards);
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace aha::comm {

struct Shard {
  size_t begin = 0;
  size_t end = 0;

  size_t size() const { return end - begin; }
  friend bool operator==(const Shard&, const Shard&) = default;
};

// Deals `count` elements to `ranks` in units of `unit` elements (the last unit
// may be shorter), each rank at most one unit more than another.  With fewer
// units than ranks, some shards are empty.  REQUIRES: ranks >= 1, unit >= 1.
std::vector<Shard> EvenShards(size_t count, int ranks, size_t unit = 1);

// INVALID_ARGUMENT unless there is one shard a rank, each begins where the one
// before ends, the first begins at 0 and the last ends at `count`.  Shards may
// be empty and of any sizes.
absl::Status CheckShards(absl::Span<const Shard> shards, int ranks,
                         size_t count);

// The size of the largest shard.
size_t Longest(absl::Span<const Shard> shards);

// "[0, 4, 10]": where the shards begin, and the end of the last one.
std::string ToString(absl::Span<const Shard> shards);

}  // namespace aha::comm
