// Implements text/tokenizer.h out of its parts: tokenizer_json reads the files,
// AddedTokens cuts out added tokens, WordSplitter cuts the rest into words, and
// Bpe encodes each word.
#include "text/tokenizer.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "base/text.h"
#include "text/chat_template.h"
#include "text/tokenizer_added.h"
#include "text/tokenizer_bpe.h"
#include "text/tokenizer_bytes.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_split.h"
#include "text/unicode.h"

namespace aha {
namespace {

// The largest known tokenizer.json has 33 MB.
constexpr uint64_t kMaxFileBytes = 256 << 20;

// The text of an id that has no token.
constexpr char kNothing[] = "\uFFFD";

// The text that one id decodes to.
struct Piece {
  std::string bytes = kNothing;
  bool special = false;
};

absl::Status InFile(const absl::Status& status, absl::string_view file) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(file, ": ", status.message()));
}

std::vector<Piece> MakePieces(const TokenizerSpec& spec) {
  std::vector<Piece> pieces(spec.vocab_size);
  for (const auto& [token, id] : spec.vocabulary) {
    pieces[id] = {AlphabetToBytes(token).value_or(token), false};
  }
  for (const AddedToken& token : spec.added) {
    pieces[token.id] = {token.content, token.special};
  }
  return pieces;
}

Bpe MakeBpe(const TokenizerSpec& spec) {
  std::array<int32_t, 256> byte_ids;
  byte_ids.fill(-1);
  absl::flat_hash_map<std::string, int32_t> whole_words;
  for (const auto& [token, id] : spec.vocabulary) {
    const std::optional<std::string> bytes = AlphabetToBytes(token);
    if (!bytes) continue;
    if (bytes->size() == 1) byte_ids[static_cast<uint8_t>((*bytes)[0])] = id;
    if (spec.ignore_merges) whole_words.emplace(*bytes, id);
  }
  return Bpe(byte_ids, spec.merges, std::move(whole_words));
}

}  // namespace

struct Tokenizer::Impl {
  Impl(const TokenizerSpec& spec, AddedTokens added_tokens)
      : bpe(MakeBpe(spec)),
        added(std::move(added_tokens)),
        pieces(MakePieces(spec)),
        nfc(spec.nfc) {}

  // Encodes text in which no added token is looked for as given.  `offset` is
  // where it stands in the caller's text, for errors.
  absl::Status EncodePart(absl::string_view text, size_t offset,
                          std::vector<int32_t>* out) const;
  // Encodes text without added tokens.
  absl::Status EncodeText(absl::string_view text, size_t offset,
                          std::vector<int32_t>* out) const;

  Bpe bpe;
  AddedTokens added;
  std::vector<Piece> pieces;
  std::unique_ptr<WordSplitter> splitter;
  absl::StatusOr<ChatTemplate> chat =
      absl::UnimplementedError("the model has no chat_template");
  const bool nfc;
};

absl::Status Tokenizer::Impl::EncodeText(absl::string_view text, size_t offset,
                                         std::vector<int32_t>* out) const {
  std::vector<Word> words;
  AHA_RETURN_IF_ERROR(splitter->Split(text, &words));
  for (const Word& word : words) {
    const size_t missing = bpe.Encode(word.text, out);
    if (missing == absl::string_view::npos) continue;
    // The vocabulary may have some bytes of a character and lack others. The
    // error names the whole character.
    size_t start = missing;
    while (start > 0 && (word.text[start] & 0xC0) == 0x80) --start;
    const size_t size = ReadUtf8(word.text, start).size;
    return absl::InvalidArgumentError(absl::StrCat(
        "text must consist of the model's vocabulary, which lacks ",
        Quote(word.text.substr(start, size)), " at byte ",
        offset + word.offset + start));
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::Impl::EncodePart(absl::string_view text, size_t offset,
                                         std::vector<int32_t>* out) const {
  std::string normalized;
  if (nfc) {
    AHA_ASSIGN_OR_RETURN(normalized, ToNfc(text));
    text = normalized;
  }
  for (const Segment& part : added.SplitNormalized(text)) {
    if (part.id >= 0) {
      out->push_back(part.id);
      continue;
    }
    AHA_RETURN_IF_ERROR(
        EncodeText(text.substr(part.begin, part.end - part.begin),
                   offset + part.begin, out));
  }
  return absl::OkStatus();
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(
    absl::string_view tokenizer_json, absl::string_view config_json) {
  absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(tokenizer_json);
  AHA_RETURN_IF_ERROR(InFile(spec.status(), "tokenizer.json"));
  absl::StatusOr<AddedTokens> added = AddedTokens::Create(
      spec->added,
      [&](absl::string_view content) -> absl::StatusOr<std::string> {
        if (spec->nfc) return ToNfc(content);
        return std::string(content);
      });
  AHA_RETURN_IF_ERROR(InFile(added.status(), "tokenizer.json: added_tokens"));
  auto impl = std::make_unique<Impl>(*spec, *std::move(added));
  absl::StatusOr<std::unique_ptr<WordSplitter>> splitter =
      WordSplitter::Create(std::move(spec->split));
  AHA_RETURN_IF_ERROR(
      InFile(splitter.status(), "tokenizer.json: pre_tokenizer"));
  impl->splitter = *std::move(splitter);
  absl::StatusOr<std::optional<std::string>> jinja =
      ParseChatTemplate(config_json);
  AHA_RETURN_IF_ERROR(InFile(jinja.status(), "tokenizer_config.json"));
  if (*jinja) impl->chat = ChatTemplate::Recognise(**jinja);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(
    const std::string& directory) {
  const auto path = [&](const char* name) {
    return absl::StrCat(directory, "/", name);
  };
  AHA_ASSIGN_OR_RETURN(const std::string json,
                       ReadWholeFile(path("tokenizer.json"), kMaxFileBytes));
  AHA_ASSIGN_OR_RETURN(
      const std::string config,
      ReadFileIfThere(path("tokenizer_config.json"), kMaxFileBytes));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Parse(json, config);
  if (!tokenizer.ok()) return InFile(tokenizer.status(), directory);
  // Newer models have the template in a file of its own.
  AHA_ASSIGN_OR_RETURN(
      const std::string jinja,
      ReadFileIfThere(path("chat_template.jinja"), kMaxFileBytes));
  if (!jinja.empty()) {
    (*tokenizer)->impl_->chat = ChatTemplate::Recognise(jinja);
  }
  return tokenizer;
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(
    absl::string_view text) const {
  if (const size_t bad = FindMalformedUtf8(text); bad != text.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "text must be UTF-8, got byte 0x",
        absl::Hex(static_cast<uint8_t>(text[bad]), absl::kZeroPad2),
        " at byte ", bad));
  }
  std::vector<int32_t> ids;
  for (const Segment& part : impl_->added.SplitRaw(text)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    AHA_RETURN_IF_ERROR(impl_->EncodePart(
        text.substr(part.begin, part.end - part.begin), part.begin, &ids));
  }
  return ids;
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids,
                              Special special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) {
      bytes += kNothing;
      continue;
    }
    const Piece& piece = impl_->pieces[id];
    if (piece.special && special == Special::kSkip) continue;
    bytes += piece.bytes;
  }
  return ReplaceMalformedUtf8(bytes);
}

absl::StatusOr<std::string> Tokenizer::ApplyChatTemplate(
    absl::Span<const ChatMessage> messages) const {
  AHA_RETURN_IF_ERROR(impl_->chat.status());
  return impl_->chat->Apply(messages);
}

int32_t Tokenizer::vocab_size() const {
  return static_cast<int32_t>(impl_->pieces.size());
}

}  // namespace aha
