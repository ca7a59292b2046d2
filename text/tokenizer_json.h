// The validated content of tokenizer.json and tokenizer_config.json: names are
// resolved to ids, and every id is in range.
//
// Two kinds of BPE are read: byte-level, whose vocabulary is spelled in an
// alphabet of bytes (GPT-2, Llama 3, Qwen, tekken), and sentencepiece-style,
// whose vocabulary is spelled in characters, with U+2581 for a space (Gemma,
// Llama 2, Mistral).
//
// Errors name the field, the rule and the value. Malformed input is
// INVALID_ARGUMENT; other kinds of tokenizer are UNIMPLEMENTED.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"
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

// A step by which a text is rewritten before it is split.
struct NormalizerStep {
  enum class Kind { kNfc, kPrepend, kReplace };
  Kind kind = Kind::kNfc;
  std::string from;  // kReplace; not empty.
  std::string to;    // kReplace and kPrepend.
};

struct TokenizerSpec {
  // False: sentencepiece-style.
  bool byte_level = true;
  // Spelled as in the file.
  absl::flat_hash_map<std::string, int32_t> vocabulary;
  std::vector<BpeMerge> merges;  // In order of rank.
  bool ignore_merges = false;
  int32_t unknown = -1;        // Sentencepiece-style; -1: none.
  bool fuse_unknown = false;   // Sentencepiece-style.
  bool byte_fallback = false;  // Tokens "<0x00>" ... stand for bytes; likewise.
  std::vector<NormalizerStep> normalizer;
  // A space in front of a text is what the normalizer put there: decoding drops
  // it. Sentencepiece-style.
  bool drop_first_space = false;
  // What the post-processor puts in front of a text.
  std::vector<int32_t> prefix;
  std::vector<AddedToken> added;
  std::vector<SplitStep> split;
  int32_t vocab_size = 0;  // Largest id + 1.
};

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(absl::string_view text);

// Adds to *spec what tokenizer_config.json says beyond tokenizer.json: added
// tokens, and whether a text begins with bos_token. UNIMPLEMENTED if it
// contradicts tokenizer.json, as then transformers would change the tokenizer
// in ways that Aha does not.
absl::Status ApplyTokenizerConfig(absl::string_view config_json,
                                  TokenizerSpec* spec);

// UNIMPLEMENTED unless each token that the file names, as added_tokens.json
// (text -> id) and special_tokens_map.json (role -> text) do, is one of *spec:
// transformers would add it. `file` may be empty.
absl::Status CheckAddedTokensFile(absl::string_view file,
                                  const TokenizerSpec& spec);
absl::Status CheckSpecialTokensFile(absl::string_view file,
                                    const TokenizerSpec& spec);

// Returns "chat_template" of tokenizer_config.json, of a list the one named
// "default"; nothing if there is none or the text is empty.
absl::StatusOr<std::optional<std::string>> ParseChatTemplate(
    absl::string_view config_json);

// The tokens that have a role (bos_token, eos_token, ...) by that role, as chat
// templates see them: those of tokenizer_config.json and, if that names none
// for a role, those of special_tokens_map.json. Either may be empty; what is
// malformed in them is left out.
nlohmann::ordered_json SpecialTokens(absl::string_view config_json,
                                     absl::string_view special_tokens_json);

}  // namespace aha
