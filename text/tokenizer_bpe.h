// Byte-pair encoding of one word. It starts from single symbols, bytes or
// characters, and repeatedly merges the adjacent pair of lowest rank, of equals
// the leftmost, until no pair has a rank (Sennrich et al., "Neural Machine
// Translation of Rare Words with Subword Units", ACL 2016). Immutable;
// thread-safe.
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

// The symbols that a word starts as.
struct BpeSymbols {
  BpeSymbols() { byte_ids.fill(-1); }

  // The ids of single bytes; -1 if no token spells byte b alone.
  std::array<int32_t, 256> byte_ids;
  // Sentencepiece-style vocabularies start from characters: each one is its id
  // here or, if it has none, its bytes, if all of them have ids, or else
  // `unknown`. Empty: words start from bytes.
  absl::flat_hash_map<std::string, int32_t> characters;
  int32_t unknown = -1;       // -1: there is none.
  bool fuse_unknown = false;  // Neighbours that are unknown become one id.
};

class Bpe {
 public:
  // A word that equals one of `whole_words` (bytes -> id) becomes its id
  // without merging, as tokenizer.json's ignore_merges demands; pass an empty
  // map to disable that.
  Bpe(BpeSymbols symbols, const std::vector<BpeMerge>& merges,
      absl::flat_hash_map<std::string, int32_t> whole_words);

  // Appends the ids of `word` and returns npos. If no token spells one of its
  // symbols, it appends nothing and returns the offset of the first such one.
  // REQUIRES: the word is UTF-8 if words start from characters.
  // Time: O(n log n) for n bytes.
  size_t Encode(absl::string_view word, std::vector<int32_t>* ids) const;

 private:
  struct Target {
    int32_t rank;
    int32_t id;
  };
  const Target* Find(int32_t left, int32_t right) const;
  void Merge(std::vector<int32_t>* symbols) const;
  // These append the symbols of the word, as Encode returns.
  size_t SplitBytes(absl::string_view word, std::vector<int32_t>* out) const;
  size_t SplitCharacters(absl::string_view word,
                         std::vector<int32_t>* out) const;

  const BpeSymbols symbols_;
  absl::flat_hash_map<uint64_t, Target> merges_;
  absl::flat_hash_map<std::string, int32_t> whole_words_;
};

}  // namespace aha
