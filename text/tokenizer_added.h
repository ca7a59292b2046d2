// Finds added tokens in a text. The leftmost match wins, and of several at one
// place the longest. Immutable; thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "text/tokenizer_json.h"

namespace aha {

// A part of a text: an added token, or with id -1 the text between two of them.
struct Segment {
  size_t begin;
  size_t end;
  int32_t id;
};

class AddedTokens {
 public:
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  // The parts cover `text` except for white space that tokens absorb. No part
  // is empty.
  std::vector<Segment> Split(absl::string_view text) const;

 private:
  // Tokens of the first pass are searched in the whole text, those of the
  // second (`normalized`) in what the first leaves.
  using Pass = std::array<std::vector<AddedToken>, 256>;  // By first byte.

  static const AddedToken* FindAt(const Pass& pass, absl::string_view text,
                                  size_t at);
  static void SplitPart(const Pass& pass, absl::string_view text, Segment part,
                        std::vector<Segment>* out);

  std::array<Pass, 2> passes_;
};

}  // namespace aha
