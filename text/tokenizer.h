// Converts text to token ids and back, as a tokenizer.json in Hugging Face's
// format prescribes: byte-level or sentencepiece-style BPE with added (special)
// tokens.
//
//   AHA_ASSIGN_OR_RETURN(auto tokenizer, Tokenizer::Load(directory));
//   AHA_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
//                        tokenizer->Encode("2 + 2 = "));
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "text/chat.h"

namespace aha {

struct TokenizerSpec;

// Immutable after loading; thread-safe.
class Tokenizer {
 public:
  // Loads the tokenizer of a model directory: tokenizer.json and, if present,
  // what tokenizer_config.json adds to it, and the chat template there or in
  // chat_template.jinja. A token that added_tokens.json or
  // special_tokens_map.json names must be among these.
  // Malformed input is INVALID_ARGUMENT with file, field, rule and value; an
  // unsupported kind of tokenizer is UNIMPLEMENTED.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(
      const std::string& directory);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(
      absl::string_view tokenizer_json, absl::string_view config_json);
  ~Tokenizer();

  // Each added token in the text becomes one id. If tokenizer.json has the
  // normalizer NFC, the text between added tokens is brought to Unicode's form
  // C first, as Hugging Face's tokenizers do. Returns INVALID_ARGUMENT with the
  // character and its offset if the vocabulary cannot spell the text; after a
  // normalization that changed the text the offset is approximate.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text) const;

  // The same of a text that begins a sequence: after the tokens that the
  // post-processor puts in front (<s>, say), unless the text itself begins with
  // them, as a rendered chat template does.
  absl::StatusOr<std::vector<int32_t>> EncodePrompt(
      absl::string_view text) const;

  // Bytes that are not UTF-8 become U+FFFD. So does an id without a token:
  // models pad their vocabulary and may sample an id of the padding. kSkip
  // omits special tokens; kKeep spells them out.
  enum class Special { kKeep, kSkip };
  std::string Decode(absl::Span<const int32_t> ids,
                     Special special = Special::kKeep) const;

  // Returns the conversation in the model's chat format, by default up to the
  // place where the assistant's turn begins. UNIMPLEMENTED if the model has no
  // template or one that ChatTemplate does not read; INVALID_ARGUMENT if the
  // template refuses the conversation.
  absl::StatusOr<std::string> ApplyChatTemplate(
      absl::Span<const ChatMessage> messages,
      const ChatOptions& options = {}) const;

  // Returns the end of that text which belongs to what the assistant says:
  // "<think>\n" if the template opens it. See ChatTemplate::Opening.
  absl::StatusOr<std::string> ChatOpening(
      absl::Span<const ChatMessage> messages,
      const ChatOptions& options = {}) const;

  // The special token with which the chat template ends the assistant's turn:
  // the first one behind what the assistant says. Nothing if there is none.
  std::optional<int32_t> turn_end() const;

  int32_t vocab_size() const;

 private:
  friend class TextStream;
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Build(
      TokenizerSpec spec, absl::string_view config_json,
      absl::string_view jinja, absl::string_view special_tokens_json);
  std::unique_ptr<Impl> impl_;
};

// Decodes ids one by one, for showing a completion while it is sampled. What
// Add and Finish return is together what Decode gives for all ids, and no piece
// ends within a character.
class TextStream {
 public:
  // `tokenizer` must outlive it.
  explicit TextStream(const Tokenizer& tokenizer,
                      Tokenizer::Special special = Tokenizer::Special::kKeep)
      : tokenizer_(tokenizer), special_(special) {}

  // Returns the text that this id makes certain; it may be empty.
  std::string Add(int32_t id);
  // Returns the rest, and starts again.
  std::string Finish();

 private:
  void EndRun();
  std::string Take(bool all);

  const Tokenizer& tokenizer_;
  const Tokenizer::Special special_;
  bool first_ = true;      // Nothing was decoded yet.
  std::string run_;        // The bytes of neighbouring byte tokens.
  std::string undecided_;  // Bytes that were not returned yet.
};

// The files of the tokenizer that `model.architecture.tokenizer: characters`
// selects. Each printable ASCII character, the newline, the tags <think>
// </think> <answer> </answer> and <eos> are one token each.
struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
  int32_t vocab_size = 0;
  int32_t eos_token_id = 0;
};
TokenizerFiles CharacterTokenizer();

}  // namespace aha
