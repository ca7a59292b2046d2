// Implements text/tokenizer.h out of its parts: tokenizer_json reads the files,
// AddedTokens cuts out added tokens, WordSplitter cuts the rest into words, and
// Bpe encodes each word.
#include "text/tokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file_io.h"
#include "base/status.h"
#include "base/text.h"
#include "nlohmann/json.hpp"
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
  // A token "<0x41>", whose byte is a character together with its neighbours'.
  bool byte = false;
};

absl::Status InFile(const absl::Status& status, absl::string_view file) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(file, ": ", status.message()));
}

// The byte that "<0x41>" stands for.
std::optional<char> ByteOf(absl::string_view token) {
  std::string byte;
  if (token.size() != 6 || !absl::StartsWith(token, "<0x") ||
      token.back() != '>' || !absl::ascii_isxdigit(token[3]) ||
      !absl::ascii_isxdigit(token[4])) {
    return std::nullopt;
  }
  return absl::HexStringToBytes(token.substr(3, 2))[0];
}

// What a token of the vocabulary decodes to.
Piece PieceOf(const TokenizerSpec& spec, const std::string& token) {
  if (spec.byte_level) return {.bytes = AlphabetToBytes(token).value_or(token)};
  if (spec.byte_fallback) {
    if (const std::optional<char> byte = ByteOf(token)) {
      return {.bytes = std::string(1, *byte), .byte = true};
    }
  }
  return {.bytes = absl::StrReplaceAll(token, {{kMetaspace, " "}})};
}

std::vector<Piece> MakePieces(const TokenizerSpec& spec) {
  std::vector<Piece> pieces(spec.vocab_size);
  for (const auto& [token, id] : spec.vocabulary) {
    pieces[id] = PieceOf(spec, token);
  }
  for (const AddedToken& token : spec.added) {
    // The decoder of sentencepiece-style tokenizers rewrites all tokens.
    pieces[token.id] = spec.byte_level ? Piece{.bytes = token.content}
                                       : PieceOf(spec, token.content);
    pieces[token.id].special = token.special;
  }
  return pieces;
}

// Characters, and the byte tokens of those that the vocabulary lacks.
BpeSymbols CharacterSymbols(const TokenizerSpec& spec) {
  BpeSymbols symbols;
  symbols.unknown = spec.unknown;
  symbols.fuse_unknown = spec.fuse_unknown;
  for (const auto& [token, id] : spec.vocabulary) {
    if (!token.empty() && ReadUtf8(token, 0).size == token.size()) {
      symbols.characters.emplace(token, id);
    }
    const std::optional<char> byte = ByteOf(token);
    if (spec.byte_fallback && byte) {
      symbols.byte_ids[static_cast<uint8_t>(*byte)] = id;
    }
  }
  return symbols;
}

Bpe MakeBpe(const TokenizerSpec& spec) {
  absl::flat_hash_map<std::string, int32_t> whole_words;
  if (!spec.byte_level) {
    if (spec.ignore_merges) {
      whole_words.insert(spec.vocabulary.begin(), spec.vocabulary.end());
    }
    return Bpe(CharacterSymbols(spec), spec.merges, std::move(whole_words));
  }
  BpeSymbols symbols;
  for (const auto& [token, id] : spec.vocabulary) {
    const std::optional<std::string> bytes = AlphabetToBytes(token);
    if (!bytes) continue;
    if (bytes->size() == 1) {
      symbols.byte_ids[static_cast<uint8_t>((*bytes)[0])] = id;
    }
    if (spec.ignore_merges) whole_words.emplace(*bytes, id);
  }
  return Bpe(std::move(symbols), spec.merges, std::move(whole_words));
}

absl::StatusOr<std::string> Normalize(const std::vector<NormalizerStep>& steps,
                                      absl::string_view text) {
  // Steps of a hostile file could double a text again and again.
  const size_t most = 16 * text.size() + 1024;
  std::string out(text);
  if (out.empty()) return out;
  for (const NormalizerStep& step : steps) {
    if (out.size() > most) {
      return absl::InvalidArgumentError(
          absl::StrCat("normalizer must not make a text of ", text.size(),
                       " bytes longer than ", most, ", got ", out.size()));
    }
    switch (step.kind) {
      case NormalizerStep::Kind::kNfc: {
        AHA_ASSIGN_OR_RETURN(out, ToNfc(out));
        break;
      }
      case NormalizerStep::Kind::kPrepend:
        out.insert(0, step.to);
        break;
      case NormalizerStep::Kind::kReplace:
        out = absl::StrReplaceAll(out, {{step.from, step.to}});
        break;
    }
  }
  return out;
}

// How many bytes at the end of a text may become a character with what follows.
size_t OpenBytes(absl::string_view text) {
  for (size_t n = 1; n <= 3 && n <= text.size(); ++n) {
    const size_t at = text.size() - n;
    const uint8_t lead = static_cast<uint8_t>(text[at]);
    if (lead < 0xC2 || lead > 0xF4) continue;
    const Utf8Char c = ReadUtf8(text, at);
    return !c.valid && c.size == n ? n : 0;
  }
  return 0;
}

absl::StatusOr<TokenizerSpec> ParseSpec(absl::string_view tokenizer_json,
                                        absl::string_view config_json) {
  absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(tokenizer_json);
  AHA_RETURN_IF_ERROR(InFile(spec.status(), "tokenizer.json"));
  AHA_RETURN_IF_ERROR(InFile(ApplyTokenizerConfig(config_json, &*spec),
                             "tokenizer_config.json"));
  return spec;
}

// Of the files of a directory that may name tokens, too.
absl::Status CheckOtherFiles(const std::string& directory,
                             const TokenizerSpec& spec) {
  const struct {
    const char* name;
    absl::Status (*check)(absl::string_view file, const TokenizerSpec& spec);
  } files[] = {{"added_tokens.json", CheckAddedTokensFile},
               {"special_tokens_map.json", CheckSpecialTokensFile}};
  for (const auto& file : files) {
    const std::string path = absl::StrCat(directory, "/", file.name);
    AHA_ASSIGN_OR_RETURN(const std::string text,
                         ReadFileIfThere(path, kMaxFileBytes));
    AHA_RETURN_IF_ERROR(InFile(file.check(text, spec), path));
  }
  return absl::OkStatus();
}

}  // namespace

struct Tokenizer::Impl {
  Impl(const TokenizerSpec& spec, AddedTokens added_tokens)
      : bpe(MakeBpe(spec)),
        added(std::move(added_tokens)),
        pieces(MakePieces(spec)),
        normalizer(spec.normalizer),
        prefix(spec.prefix),
        drop_first_space(spec.drop_first_space) {}

  // Encodes text in which no added token is looked for as given.  `offset` is
  // where it stands in the caller's text, for errors.
  absl::Status EncodePart(absl::string_view text, size_t offset,
                          std::vector<int32_t>* out) const;
  // The first special token in the text.
  std::optional<int32_t> FirstSpecial(absl::string_view text) const;
  // Encodes text without added tokens.
  absl::Status EncodeText(absl::string_view text, size_t offset,
                          std::vector<int32_t>* out) const;

  Bpe bpe;
  AddedTokens added;
  std::vector<Piece> pieces;
  std::unique_ptr<WordSplitter> splitter;
  absl::StatusOr<ChatTemplate> chat =
      absl::UnimplementedError("the model has no chat_template");
  std::optional<int32_t> turn_end;
  const std::vector<NormalizerStep> normalizer;
  const std::vector<int32_t> prefix;
  const bool drop_first_space;
};

absl::Status Tokenizer::Impl::EncodeText(absl::string_view text, size_t offset,
                                         std::vector<int32_t>* out) const {
  std::vector<Word> words;
  AHA_RETURN_IF_ERROR(splitter->Split(text, offset == 0, &words));
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
  if (!normalizer.empty()) {
    AHA_ASSIGN_OR_RETURN(normalized, Normalize(normalizer, text));
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

std::optional<int32_t> Tokenizer::Impl::FirstSpecial(
    absl::string_view text) const {
  for (const Segment& part : added.SplitRaw(text)) {
    if (part.id >= 0 && pieces[static_cast<size_t>(part.id)].special) {
      return part.id;
    }
  }
  return std::nullopt;
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(
    absl::string_view tokenizer_json, absl::string_view config_json) {
  AHA_ASSIGN_OR_RETURN(TokenizerSpec spec,
                       ParseSpec(tokenizer_json, config_json));
  return Build(std::move(spec), config_json, "", "");
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Build(
    TokenizerSpec spec, absl::string_view config_json, absl::string_view jinja,
    absl::string_view special_tokens_json) {
  absl::StatusOr<AddedTokens> added =
      AddedTokens::Create(spec.added, [&](absl::string_view content) {
        return Normalize(spec.normalizer, content);
      });
  AHA_RETURN_IF_ERROR(InFile(added.status(), "tokenizer.json: added_tokens"));
  auto impl = std::make_unique<Impl>(spec, *std::move(added));
  absl::StatusOr<std::unique_ptr<WordSplitter>> splitter =
      WordSplitter::Create(std::move(spec.split));
  AHA_RETURN_IF_ERROR(
      InFile(splitter.status(), "tokenizer.json: pre_tokenizer"));
  impl->splitter = *std::move(splitter);
  absl::StatusOr<std::optional<std::string>> in_config =
      ParseChatTemplate(config_json);
  AHA_RETURN_IF_ERROR(InFile(in_config.status(), "tokenizer_config.json"));
  // Newer models have the template in a file of its own.
  if (jinja.empty() && *in_config) jinja = **in_config;
  if (!jinja.empty()) {
    impl->chat = ChatTemplate::Parse(
        jinja, SpecialTokens(config_json, special_tokens_json));
  }
  if (impl->chat.ok()) {
    impl->turn_end = impl->FirstSpecial(impl->chat->AfterAnswer());
  }
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
  absl::StatusOr<TokenizerSpec> spec = ParseSpec(json, config);
  if (!spec.ok()) return InFile(spec.status(), directory);
  AHA_RETURN_IF_ERROR(CheckOtherFiles(directory, *spec));
  AHA_ASSIGN_OR_RETURN(
      const std::string jinja,
      ReadFileIfThere(path("chat_template.jinja"), kMaxFileBytes));
  AHA_ASSIGN_OR_RETURN(
      const std::string special_tokens,
      ReadFileIfThere(path("special_tokens_map.json"), kMaxFileBytes));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      Build(*std::move(spec), config, jinja, special_tokens);
  if (!tokenizer.ok()) return InFile(tokenizer.status(), directory);
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

absl::StatusOr<std::vector<int32_t>> Tokenizer::EncodePrompt(
    absl::string_view text) const {
  AHA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, Encode(text));
  const std::vector<int32_t>& prefix = impl_->prefix;
  const bool there = ids.size() >= prefix.size() &&
                     std::equal(prefix.begin(), prefix.end(), ids.begin());
  if (!there) ids.insert(ids.begin(), prefix.begin(), prefix.end());
  return ids;
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids,
                              Special special) const {
  TextStream stream(*this, special);
  std::string text;
  for (const int32_t id : ids) text += stream.Add(id);
  return text + stream.Finish();
}

// Bytes of neighbouring byte tokens are text or, each of them, nothing.
void TextStream::EndRun() {
  if (FindMalformedUtf8(run_) == std::string::npos) {
    undecided_ += run_;
  } else {
    for (size_t i = 0; i < run_.size(); ++i) undecided_ += kNothing;
  }
  run_.clear();
}

std::string TextStream::Take(bool all) {
  const size_t held = all ? 0 : OpenBytes(undecided_);
  const size_t size = undecided_.size() - held;
  std::string text = ReplaceMalformedUtf8(undecided_.substr(0, size));
  undecided_.erase(0, size);
  return text;
}

std::string TextStream::Add(int32_t id) {
  const bool known = id >= 0 && id < tokenizer_.vocab_size();
  const Piece nothing;
  const Piece& piece = known ? tokenizer_.impl_->pieces[id] : nothing;
  if (piece.special && special_ == Tokenizer::Special::kSkip) return "";
  if (piece.byte) {
    run_ += piece.bytes;
    first_ = false;
    return "";
  }
  EndRun();
  const bool drop = first_ && tokenizer_.impl_->drop_first_space &&
                    absl::StartsWith(piece.bytes, " ");
  undecided_ += drop ? piece.bytes.substr(1) : piece.bytes;
  first_ = false;
  return Take(false);
}

std::string TextStream::Finish() {
  EndRun();
  first_ = true;
  return Take(true);
}

absl::StatusOr<std::string> Tokenizer::ApplyChatTemplate(
    absl::Span<const ChatMessage> messages, const ChatOptions& options) const {
  AHA_RETURN_IF_ERROR(impl_->chat.status());
  return impl_->chat->Apply(messages, options);
}

absl::StatusOr<std::string> Tokenizer::ChatOpening(
    absl::Span<const ChatMessage> messages, const ChatOptions& options) const {
  AHA_RETURN_IF_ERROR(impl_->chat.status());
  return impl_->chat->Opening(messages, options);
}

std::optional<int32_t> Tokenizer::turn_end() const { return impl_->turn_end; }

int32_t Tokenizer::vocab_size() const {
  return static_cast<int32_t>(impl_->pieces.size());
}

}  // namespace aha
