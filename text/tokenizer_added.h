// Finds added tokens in a text. The leftmost match wins, and of several at one
// place the longest.
//
// Hugging Face's tokenizers look for them in two passes, and so does the
// caller:
//
//   1. SplitRaw finds the tokens that are not normalised in the text as given.
//   2. The text between them is normalised, if the tokenizer normalises.
//   3. SplitNormalized finds the normalised tokens in the result.
//
// Immutable; thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
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
  // `normalize` is applied to the content of normalised tokens.
  static absl::StatusOr<AddedTokens> Create(
      const std::vector<AddedToken>& tokens,
      const std::function<absl::StatusOr<std::string>(absl::string_view)>&
          normalize);

  // The parts cover `text` except for white space that tokens absorb. No part
  // is empty.
  std::vector<Segment> SplitRaw(absl::string_view text) const {
    return Split(raw_, text);
  }
  std::vector<Segment> SplitNormalized(absl::string_view text) const {
    return Split(normalized_, text);
  }

 private:
  using Tokens = std::array<std::vector<AddedToken>, 256>;  // By first byte.

  static const AddedToken* FindAt(const Tokens& tokens, absl::string_view text,
                                  size_t at);
  static std::vector<Segment> Split(const Tokens& tokens,
                                    absl::string_view text);

  Tokens raw_;
  Tokens normalized_;
};

}  // namespace aha
