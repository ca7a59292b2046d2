// Byte-pair encoding of one word. It starts from single bytes and repeatedly
// merges the adjacent pair of lowest rank, of equals the leftmost, until no
// pair has a rank (Sennrich et al., "Neural Machine Translation of Rare Words
// with Subword Units", ACL 2016). Immutable; thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace aha {

struct BpeMerge {
  int32_t left = 0;
  int32_t right = 0;
  int32_t merged = 0;
};

class Bpe {
 public:
  // A word that equals one of `whole_words` (bytes -> id) becomes its id
  // without merging, as tokenizer.json's ignore_merges demands; pass an empty
  // map to disable that. byte_ids[b] is -1 if no token spells byte b alone.
  Bpe(const std::array<int32_t, 256>& byte_ids,
      const std::vector<BpeMerge>& merges,
      absl::flat_hash_map<std::string, int32_t> whole_words);

  // Appends the ids of `word` and returns npos. If no token spells one of its
  // bytes, it appends nothing and returns the offset of the first such byte.
  // Time: O(n log n) for n bytes.
  size_t Encode(absl::string_view word, std::vector<int32_t>* ids) const;

 private:
  struct Target {
    int32_t rank;
    int32_t id;
  };
  const Target* Find(int32_t left, int32_t right) const;
  void Merge(std::vector<int32_t>* symbols) const;

  std::array<int32_t, 256> byte_ids_;
  absl::flat_hash_map<uint64_t, Target> merges_;
  absl::flat_hash_map<std::string, int32_t> whole_words_;
};

}  // namespace aha
