#include "comm/shard.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/ceil_div.h"

namespace aha::comm {

std::vector<Shard> EvenShards(size_t count, int ranks, size_t unit) {
  const size_t units = CeilDiv(count, unit);
  const size_t parts = static_cast<size_t>(ranks);
  std::vector<Shard> shards;
  size_t begin = 0;
  for (size_t rank = 0; rank < parts; ++rank) {
    const size_t mine = units / parts + (rank < units % parts ? 1 : 0);
    const size_t end = std::min(begin + mine * unit, count);
    shards.push_back({begin, end});
    begin = end;
  }
  return shards;
}

absl::Status CheckShards(absl::Span<const Shard> shards, int ranks,
                         size_t count) {
  if (shards.size() != static_cast<size_t>(ranks)) {
    return absl::InvalidArgumentError(
        absl::StrCat("there must be one shard for each rank (", ranks,
                     "), got ", shards.size()));
  }
  size_t begin = 0;
  for (const Shard& shard : shards) {
    if (shard.begin != begin || shard.end < begin || shard.end > count) {
      return absl::InvalidArgumentError(absl::StrCat(
          "shards must follow one another from 0 to ", count, ", found [",
          shard.begin, ", ", shard.end, ") at ", begin));
    }
    begin = shard.end;
  }
  if (begin == count) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "shards must follow one another from 0 to ", count, ", end at ", begin));
}

size_t Longest(absl::Span<const Shard> shards) {
  size_t longest = 0;
  for (const Shard& shard : shards) longest = std::max(longest, shard.size());
  return longest;
}

std::string ToString(absl::Span<const Shard> shards) {
  std::string text = "[0";
  for (const Shard& shard : shards) absl::StrAppend(&text, ", ", shard.end);
  return absl::StrCat(text, "]");
}

}  // namespace aha::comm
