// The validated content of tokenizer.json and tokenizer_config.json: names are
// resolved to ids, and every id is in range.
//
// Errors name the field, the rule and the value. Malformed input is
// INVALID_ARGUMENT; kinds of tokenizer other than byte-level BPE are
// UNIMPLEMENTED.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "text/tokenizer_bpe.h"
#include "text/tokenizer_split.h"

namespace aha {

struct AddedToken {
  std::string content;  // Not empty; UTF-8.
  int32_t id = 0;
  bool special = false;
  bool normalized = false;  // Searched for after the others.
  bool strip_left = false;  // Absorbs the white space before it.
  bool strip_right = false;
};

struct TokenizerSpec {
  // Spelled as in the file, in the byte-level alphabet.
  absl::flat_hash_map<std::string, int32_t> vocabulary;
  std::vector<BpeMerge> merges;  // In order of rank.
  bool ignore_merges = false;
  bool nfc = false;  // Text is brought to Unicode's form C before it is split.
  std::vector<AddedToken> added;
  std::vector<SplitStep> split;
  int32_t vocab_size = 0;  // Largest id + 1.
};

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(absl::string_view text);

// Returns "chat_template" of tokenizer_config.json, of a list the one named
// "default"; nothing if there is none or the text is empty.
absl::StatusOr<std::optional<std::string>> ParseChatTemplate(
    absl::string_view config_json);

}  // namespace aha
