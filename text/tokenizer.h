// Text to token ids and back, from a tokenizer.json in Hugging Face's format:
// byte-level BPE with added (special) tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant".
  std::string content;
};

// Immutable after loading; thread-safe.
class Tokenizer {
 public:
  // A model directory: tokenizer.json and, if there, tokenizer_config.json
  // (chat template).  Malformed input is INVALID_ARGUMENT with file, field,
  // rule and value; an unsupported kind of tokenizer is UNIMPLEMENTED.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(
      const std::string& directory);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(
      absl::string_view tokenizer_json, absl::string_view config_json);
  ~Tokenizer();

  // Added tokens in the text become single ids.  If tokenizer.json has the
  // normalizer NFC, the text between them is brought to Unicode's form C first,
  // as Hugging Face's tokenizers do.  INVALID_ARGUMENT if the vocabulary cannot
  // spell the text, naming the character and its offset; after a normalisation
  // that changed the text the offset is approximate.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text) const;

  // Bytes that are not UTF-8 become U+FFFD, and so does an id that stands for
  // nothing: models pad their vocabulary, and may sample what they padded.
  // kSkip leaves special tokens out; kKeep spells them out.
  enum class Special { kKeep, kSkip };
  std::string Decode(absl::Span<const int32_t> ids,
                     Special special = Special::kKeep) const;

  // The conversation in the model's chat format, ending where the assistant
  // begins.  UNIMPLEMENTED if the model has no template that Aha knows
  // (ChatML).
  absl::StatusOr<std::string> ApplyChatTemplate(
      absl::Span<const ChatMessage> messages) const;

  int32_t vocab_size() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The tokenizer of `model.architecture.tokenizer: characters`: tokenizer.json
// and tokenizer_config.json.  Printable ASCII and newline one token each, the
// tags <think> </think> <answer> </answer> and <eos> one each.
struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
  int32_t vocab_size = 0;
  int32_t eos_token_id = 0;
};
TokenizerFiles CharacterTokenizer();

}  // namespace aha
