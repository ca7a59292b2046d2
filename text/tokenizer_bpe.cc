// Implements text/tokenizer_bpe.h with a linked list of symbols and a priority
// queue of candidate pairs, so that long words stay O(n log n).
#include "text/tokenizer_bpe.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace aha {
namespace {

uint64_t PairKey(int32_t left, int32_t right) {
  return (uint64_t{static_cast<uint32_t>(left)} << 32) |
         static_cast<uint32_t>(right);
}

// A symbol in a list that is linked by index; -1 ends the list, and id -1 marks
// a symbol that was merged into its left neighbour.
struct Link {
  int32_t id;
  int32_t previous;
  int32_t next;
};

struct Candidate {
  int32_t rank;
  int32_t position;  // Index of the left symbol.
  int32_t merged;

  friend bool operator>(const Candidate& a, const Candidate& b) {
    return std::tie(a.rank, a.position) > std::tie(b.rank, b.position);
  }
};

using Queue =
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>>;

}  // namespace

Bpe::Bpe(BpeSymbols symbols, const std::vector<BpeMerge>& merges,
         absl::flat_hash_map<std::string, int32_t> whole_words)
    : symbols_(std::move(symbols)), whole_words_(std::move(whole_words)) {
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const BpeMerge& merge = merges[rank];
    merges_.insert_or_assign(PairKey(merge.left, merge.right),
                             Target{static_cast<int32_t>(rank), merge.merged});
  }
}

const Bpe::Target* Bpe::Find(int32_t left, int32_t right) const {
  const auto found = merges_.find(PairKey(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

size_t Bpe::Encode(absl::string_view word, std::vector<int32_t>* ids) const {
  if (const auto whole = whole_words_.find(word); whole != whole_words_.end()) {
    ids->push_back(whole->second);
    return absl::string_view::npos;
  }
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  const size_t missing = symbols_.characters.empty()
                             ? SplitBytes(word, &symbols)
                             : SplitCharacters(word, &symbols);
  if (missing != absl::string_view::npos) return missing;
  if (symbols.size() > 1 && !merges_.empty()) Merge(&symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
  return absl::string_view::npos;
}

size_t Bpe::SplitBytes(absl::string_view word,
                       std::vector<int32_t>* out) const {
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t id = symbols_.byte_ids[static_cast<uint8_t>(word[i])];
    if (id < 0) return i;
    out->push_back(id);
  }
  return absl::string_view::npos;
}

size_t Bpe::SplitCharacters(absl::string_view word,
                            std::vector<int32_t>* out) const {
  bool after_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const absl::string_view character =
        word.substr(at, ReadUtf8(word, at).size);
    const auto found = symbols_.characters.find(character);
    if (found != symbols_.characters.end()) {
      out->push_back(found->second);
      after_unknown = false;
    } else if (SplitBytes(character, out) == absl::string_view::npos) {
      after_unknown = false;
    } else {
      // SplitBytes may have appended the bytes before the one that is missing.
      size_t bytes = 0;
      while (symbols_.byte_ids[static_cast<uint8_t>(character[bytes])] >= 0) {
        ++bytes;
      }
      out->resize(out->size() - bytes);
      if (symbols_.unknown < 0) return at;
      if (!after_unknown || !symbols_.fuse_unknown) {
        out->push_back(symbols_.unknown);
      }
      after_unknown = true;
    }
    at += character.size();
  }
  return absl::string_view::npos;
}

void Bpe::Merge(std::vector<int32_t>* symbols) const {
  const int32_t count = static_cast<int32_t>(symbols->size());
  std::vector<Link> links(count);
  for (int32_t i = 0; i < count; ++i) {
    links[i] = {(*symbols)[i], i - 1, i + 1 < count ? i + 1 : -1};
  }
  Queue queue;
  const auto offer = [&](int32_t left) {
    if (left < 0 || links[left].next < 0) return;
    const Target* target = Find(links[left].id, links[links[left].next].id);
    if (target != nullptr) queue.push({target->rank, left, target->id});
  };
  for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Link& left = links[best.position];
    // A pair may have changed since it was offered: its left symbol was merged
    // away, or one of the two symbols has grown.
    if (left.id < 0 || left.next < 0) continue;
    const Target* target = Find(left.id, links[left.next].id);
    if (target == nullptr || target->rank != best.rank) continue;
    Link& right = links[left.next];
    left.id = best.merged;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) links[left.next].previous = best.position;
    offer(left.previous);
    offer(best.position);
  }
  symbols->clear();
  for (int32_t i = 0; i >= 0; i = links[i].next)
    symbols->push_back(links[i].id);
}

}  // namespace aha
