// Finds added tokens in a text: at each place the longest, the leftmost first.
//
// Immutable; thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "text/tokenizer_json.h"

namespace aha {

// A part of a text: an added token, or (id -1) text between two.
struct Segment {
  size_t begin;
  size_t end;
  int32_t id;
};

class AddedTokens {
 public:
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  // Covers `text` but for white space that tokens swallow; no part is empty.
  std::vector<Segment> Split(absl::string_view text) const;

 private:
  // Those looked for first, and those looked for in what is left.
  using Pass = std::array<std::vector<AddedToken>, 256>;  // By first byte.

  static const AddedToken* FindAt(const Pass& pass, absl::string_view text,
                                  size_t at);
  static void SplitPart(const Pass& pass, absl::string_view text, Segment part,
                        std::vector<Segment>* out);

  std::array<Pass, 2> passes_;
};

}  // namespace aha
