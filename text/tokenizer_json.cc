// Implements text/tokenizer_json.h. Each Parse... function reads one section of
// the file, and Refuse... and Check... reject what Aha would not reproduce
// exactly.
#include "text/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "text/json_field.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

using Json = nlohmann::json;
using Field = JsonField;

absl::Status ParseVocabulary(const Field& model, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const Field vocabulary, model.Get("vocab"));
  if (!vocabulary.value->is_object()) return vocabulary.Must("an object");
  if (vocabulary.value->empty()) return vocabulary.Must("not empty");
  absl::flat_hash_set<int32_t> ids;
  spec->vocabulary.reserve(vocabulary.value->size());
  for (const auto& [token, value] : vocabulary.value->items()) {
    const Field field{&value,
                      absl::StrCat(vocabulary.path, "[", Quote(token), "]")};
    AHA_ASSIGN_OR_RETURN(const int32_t id, field.Id());
    if (!ids.insert(id).second) return field.Must("a unique id");
    spec->vocabulary.emplace(token, id);
    spec->vocab_size = std::max(spec->vocab_size, id + 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::pair<std::string, std::string>> ParsePair(
    const Field& field) {
  if (field.value->is_string()) {
    const std::string& text = field.value->get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != text.npos) {
      return field.Must("two tokens with one space between");
    }
    return std::pair(text.substr(0, space), text.substr(space + 1));
  }
  if (!field.value->is_array() || field.value->size() != 2 ||
      !(*field.value)[0].is_string() || !(*field.value)[1].is_string()) {
    return field.Must("\"a b\" or [\"a\", \"b\"]");
  }
  return std::pair((*field.value)[0].get<std::string>(),
                   (*field.value)[1].get<std::string>());
}

absl::Status ParseMerges(const Field& model, TokenizerSpec* spec) {
  const std::optional<Field> merges = model.Find("merges");
  if (!merges) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, merges->Items());
  spec->merges.reserve(items.size());
  for (const Field& item : items) {
    AHA_ASSIGN_OR_RETURN(const auto pair, ParsePair(item));
    const auto find = [&](const std::string& token) {
      const auto found = spec->vocabulary.find(token);
      return found == spec->vocabulary.end() ? -1 : found->second;
    };
    const BpeMerge merge = {find(pair.first), find(pair.second),
                            find(pair.first + pair.second)};
    if (merge.left < 0 || merge.right < 0 || merge.merged < 0) {
      return item.Must(
          "two tokens of model.vocab whose concatenation is one too");
    }
    spec->merges.push_back(merge);
  }
  return absl::OkStatus();
}

// Refuses BPE options that neither kind of tokenizer uses.
absl::Status RefuseOtherBpe(const Field& model) {
  if (const std::optional<Field> dropout = model.Find("dropout")) {
    if (*dropout->value != 0) return dropout->Unsupported("null");
  }
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::optional<Field> affix = model.Find(name);
    if (affix && *affix->value != "") return affix->Unsupported("null");
  }
  return absl::OkStatus();
}

absl::Status ParseUnknown(const Field& model, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(spec->byte_fallback, model.Bool("byte_fallback", false));
  AHA_ASSIGN_OR_RETURN(spec->fuse_unknown, model.Bool("fuse_unk", false));
  const std::optional<Field> unknown = model.Find("unk_token");
  if (!unknown) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const std::string token, unknown->String());
  const auto found = spec->vocabulary.find(token);
  // Byte-level vocabularies spell every text, so theirs may be anything.
  if (found != spec->vocabulary.end()) spec->unknown = found->second;
  return absl::OkStatus();
}

absl::Status ParseModel(const Field& root, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const Field model, root.Get("model"));
  if (!model.value->is_object()) return model.Must("an object");
  // Old files omit the type.
  if (const std::optional<Field> type = model.Find("type")) {
    AHA_ASSIGN_OR_RETURN(const std::string name, type->String());
    if (name != "BPE") return type->Unsupported("\"BPE\"");
  }
  AHA_RETURN_IF_ERROR(RefuseOtherBpe(model));
  AHA_RETURN_IF_ERROR(ParseVocabulary(model, spec));
  AHA_RETURN_IF_ERROR(ParseMerges(model, spec));
  AHA_RETURN_IF_ERROR(ParseUnknown(model, spec));
  AHA_ASSIGN_OR_RETURN(spec->ignore_merges, model.Bool("ignore_merges", false));
  return absl::OkStatus();
}

// `known_id` is the key under which the token is stored, if that is its id; -1:
// the id is in the token's field `id`.
absl::StatusOr<AddedToken> ParseAddedToken(const Field& field,
                                           int32_t known_id = -1) {
  if (!field.value->is_object()) return field.Must("an object");
  AddedToken token;
  AHA_ASSIGN_OR_RETURN(const Field content, field.Get("content"));
  AHA_ASSIGN_OR_RETURN(token.content, content.String());
  if (token.content.empty()) return content.Must("not empty");
  token.id = known_id;
  if (known_id < 0) {
    AHA_ASSIGN_OR_RETURN(const Field id, field.Get("id"));
    AHA_ASSIGN_OR_RETURN(token.id, id.Id());
  }
  AHA_ASSIGN_OR_RETURN(token.special, field.Bool("special", false));
  AHA_ASSIGN_OR_RETURN(token.normalized,
                       field.Bool("normalized", !token.special));
  AHA_ASSIGN_OR_RETURN(token.strip_left, field.Bool("lstrip", false));
  AHA_ASSIGN_OR_RETURN(token.strip_right, field.Bool("rstrip", false));
  AHA_ASSIGN_OR_RETURN(const bool single, field.Bool("single_word", false));
  if (single) {
    return absl::UnimplementedError(absl::StrCat(
        field.path, ".single_word: true is not supported; only false"));
  }
  return token;
}

// Adds tokens to a spec one by one.
class TokenAdder {
 public:
  explicit TokenAdder(TokenizerSpec* spec) : spec_(*spec) {
    for (const auto& [token, id] : spec_.vocabulary)
      spelled_.emplace(id, token);
    for (const AddedToken& token : spec_.added) {
      spelled_.emplace(token.id, token.content);
      added_.insert(token.content);
    }
  }

  bool Has(const std::string& content) const {
    return added_.contains(content);
  }

  // `path` is for errors.
  absl::Status Add(AddedToken token, const std::string& path) {
    // An added token may repeat an entry of the vocabulary if both have the
    // same id.
    const auto known = spec_.vocabulary.find(token.content);
    if (known != spec_.vocabulary.end() && known->second != token.id) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ".id must be the id of ", Quote(token.content),
                       " in model.vocab, ", known->second, ", got ", token.id));
    }
    const auto [place, fresh] = spelled_.emplace(token.id, token.content);
    if (!fresh && place->second != token.content) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ".id must be unique, got ", token.id, ", that of ",
                       Quote(place->second)));
    }
    if (!added_.insert(token.content).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ".content must be unique, got ",
                       Quote(token.content), " twice"));
    }
    spec_.vocab_size = std::max(spec_.vocab_size, token.id + 1);
    spec_.added.push_back(std::move(token));
    return absl::OkStatus();
  }

 private:
  TokenizerSpec& spec_;
  absl::flat_hash_map<int32_t, std::string> spelled_;
  absl::flat_hash_set<std::string> added_;
};

absl::Status ParseAddedTokens(const Field& root, TokenizerSpec* spec) {
  const std::optional<Field> added = root.Find("added_tokens");
  if (!added) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, added->Items());
  TokenAdder adder(spec);
  for (const Field& item : items) {
    AHA_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(item));
    AHA_RETURN_IF_ERROR(adder.Add(std::move(token), item.path));
  }
  return absl::OkStatus();
}

absl::StatusOr<SplitBehavior> ParseBehavior(const Field& field) {
  AHA_ASSIGN_OR_RETURN(const std::string name, field.String());
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return field.Must(
      "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

absl::StatusOr<SplitStep> ParseSplit(const Field& step) {
  SplitStep out;
  AHA_ASSIGN_OR_RETURN(const Field pattern, step.Get("pattern"));
  if (const std::optional<Field> regex = pattern.Find("Regex")) {
    AHA_ASSIGN_OR_RETURN(out.pattern, regex->String());
  } else if (const std::optional<Field> literal = pattern.Find("String")) {
    AHA_ASSIGN_OR_RETURN(const std::string text, literal->String());
    out.pattern = LiteralPattern(text);
  } else {
    return pattern.Must("{\"Regex\": ...} or {\"String\": ...}");
  }
  AHA_ASSIGN_OR_RETURN(const Field behavior, step.Get("behavior"));
  AHA_ASSIGN_OR_RETURN(out.behavior, ParseBehavior(behavior));
  AHA_ASSIGN_OR_RETURN(out.invert, step.Bool("invert", false));
  return out;
}

absl::Status ParseByteLevel(const Field& step, std::vector<SplitStep>* out) {
  // The defaults are those of Hugging Face's library.
  AHA_ASSIGN_OR_RETURN(const bool prefix, step.Bool("add_prefix_space", true));
  AHA_ASSIGN_OR_RETURN(const bool regex, step.Bool("use_regex", true));
  SplitStep split;
  if (prefix) {
    split.kind = SplitStep::Kind::kPrefixSpace;
    out->push_back(split);
  }
  if (regex) {
    split.kind = SplitStep::Kind::kPattern;
    split.pattern = kGpt2Pattern;
    out->push_back(split);
  }
  return absl::OkStatus();
}

// Both forms, of transformers 4 and of older files.
absl::Status ParseMetaspace(const Field& step, std::vector<SplitStep>* out) {
  if (const std::optional<Field> mark = step.Find("replacement")) {
    if (*mark->value != kMetaspace) return mark->Unsupported("U+2581");
  }
  SplitStep metaspace;
  metaspace.kind = SplitStep::Kind::kMetaspace;
  AHA_ASSIGN_OR_RETURN(const bool prefix, step.Bool("add_prefix_space", true));
  metaspace.prefix =
      prefix ? SplitStep::Prefix::kAlways : SplitStep::Prefix::kNever;
  if (const std::optional<Field> scheme = step.Find("prepend_scheme")) {
    AHA_ASSIGN_OR_RETURN(const std::string name, scheme->String());
    if (name == "always") {
      metaspace.prefix = SplitStep::Prefix::kAlways;
    } else if (name == "first") {
      metaspace.prefix = SplitStep::Prefix::kFirst;
    } else if (name == "never") {
      metaspace.prefix = SplitStep::Prefix::kNever;
    } else {
      return scheme->Must("always, first or never");
    }
  }
  out->push_back(metaspace);
  AHA_ASSIGN_OR_RETURN(const bool split, step.Bool("split", true));
  if (!split) return absl::OkStatus();
  SplitStep words;
  words.pattern = LiteralPattern(kMetaspace);
  words.behavior = SplitBehavior::kMergedWithNext;
  out->push_back(std::move(words));
  return absl::OkStatus();
}

enum class BpeKind { kByteLevel, kSentencepiece };

// `last` says that this is the last step. ByteLevel rewrites the text, so it
// must be the last one.
absl::Status ParsePreTokenizer(const Field& step, BpeKind kind, bool last,
                               std::vector<SplitStep>* out) {
  if (!step.value->is_object()) return step.Must("an object");
  AHA_ASSIGN_OR_RETURN(const Field type, step.Get("type"));
  AHA_ASSIGN_OR_RETURN(const std::string name, type.String());
  if (kind == BpeKind::kByteLevel && (name == "ByteLevel") != last &&
      name != "Sequence") {
    return type.Unsupported("a pre-tokenizer whose last step is ByteLevel");
  }
  if (name == "Metaspace" && kind == BpeKind::kSentencepiece) {
    return ParseMetaspace(step, out);
  }
  if (name == "ByteLevel") return ParseByteLevel(step, out);
  if (name == "Split") {
    AHA_ASSIGN_OR_RETURN(SplitStep split, ParseSplit(step));
    out->push_back(std::move(split));
    return absl::OkStatus();
  }
  if (name == "Digits") {
    SplitStep digits;
    digits.pattern = "\\p{N}";
    AHA_ASSIGN_OR_RETURN(const bool each,
                         step.Bool("individual_digits", false));
    if (!each) digits.behavior = SplitBehavior::kContiguous;
    out->push_back(std::move(digits));
    return absl::OkStatus();
  }
  if (name != "Sequence" || !last) {
    return type.Unsupported(
        "Sequence, Split, Digits and ByteLevel or, without ByteLevel, "
        "Metaspace");
  }
  AHA_ASSIGN_OR_RETURN(const Field list, step.Get("pretokenizers"));
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, list.Items());
  if (items.empty()) return list.Must("not empty");
  for (size_t i = 0; i < items.size(); ++i) {
    const std::optional<Field> inner = items[i].Find("type");
    if (inner && *inner->value == "Sequence") {
      return inner->Unsupported("a flat Sequence");
    }
    AHA_RETURN_IF_ERROR(
        ParsePreTokenizer(items[i], kind, i + 1 == items.size(), out));
  }
  return absl::OkStatus();
}

absl::Status ParseNormalizer(const Field& normalizer, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const Field type, normalizer.Get("type"));
  AHA_ASSIGN_OR_RETURN(const std::string name, type.String());
  NormalizerStep step;
  if (name == "Sequence") {
    AHA_ASSIGN_OR_RETURN(const Field list, normalizer.Get("normalizers"));
    AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, list.Items());
    for (const Field& item : items) {
      const std::optional<Field> inner = item.Find("type");
      if (inner && *inner->value == "Sequence") {
        return inner->Unsupported("a flat Sequence");
      }
      AHA_RETURN_IF_ERROR(ParseNormalizer(item, spec));
    }
    return absl::OkStatus();
  }
  if (name == "Prepend") {
    step.kind = NormalizerStep::Kind::kPrepend;
    AHA_ASSIGN_OR_RETURN(step.to, normalizer.Text("prepend"));
  } else if (name == "Replace") {
    step.kind = NormalizerStep::Kind::kReplace;
    AHA_ASSIGN_OR_RETURN(const Field pattern, normalizer.Get("pattern"));
    const std::optional<Field> literal = pattern.Find("String");
    if (!literal) return pattern.Unsupported("{\"String\": ...}");
    AHA_ASSIGN_OR_RETURN(step.from, literal->String());
    if (step.from.empty()) return literal->Must("not empty");
    AHA_ASSIGN_OR_RETURN(step.to, normalizer.Text("content"));
  } else if (name != "NFC") {
    return type.Unsupported("null, NFC, Prepend, Replace and Sequence");
  }
  // What bounds the length of a normalized text.
  constexpr size_t kMostBytes = 64;
  if (step.to.size() > kMostBytes) {
    return normalizer.Must(
        absl::StrCat("a step that writes at most ", kMostBytes, " bytes"));
  }
  spec->normalizer.push_back(std::move(step));
  return absl::OkStatus();
}

// The tokens that a TemplateProcessing puts in front of a text.
absl::Status ParseTemplate(const Field& processor, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const Field single, processor.Get("single"));
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> parts, single.Items());
  if (parts.empty() || !parts.back().Find("Sequence")) {
    return single.Unsupported("a template that adds no token after a text");
  }
  std::vector<int32_t> prefix;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const std::optional<Field> token = parts[i].Find("SpecialToken");
    if (!token) return single.Unsupported("a template of one text");
    AHA_ASSIGN_OR_RETURN(const std::string name, token->Text("id"));
    AHA_ASSIGN_OR_RETURN(const Field tokens, processor.Get("special_tokens"));
    AHA_ASSIGN_OR_RETURN(const Field entry, tokens.Get(name));
    AHA_ASSIGN_OR_RETURN(const Field ids, entry.Get("ids"));
    AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, ids.Items());
    for (const Field& item : items) {
      AHA_ASSIGN_OR_RETURN(const int32_t id, item.Id());
      if (id >= spec->vocab_size) return item.Must("the id of a token");
      prefix.push_back(id);
    }
  }
  spec->prefix = std::move(prefix);
  return absl::OkStatus();
}

absl::Status ParsePostProcessor(const Field& processor, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const Field type, processor.Get("type"));
  // This one changes only the offsets of tokens, which Aha does not use.
  if (*type.value == "ByteLevel") return absl::OkStatus();
  if (*type.value == "TemplateProcessing")
    return ParseTemplate(processor, spec);
  if (*type.value != "Sequence") {
    return type.Unsupported("ByteLevel, TemplateProcessing and Sequence");
  }
  AHA_ASSIGN_OR_RETURN(const Field list, processor.Get("processors"));
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, list.Items());
  for (const Field& item : items) {
    const std::optional<Field> inner = item.Find("type");
    if (inner && *inner->value == "Sequence") {
      return inner->Unsupported("a flat Sequence");
    }
    AHA_RETURN_IF_ERROR(ParsePostProcessor(item, spec));
  }
  return absl::OkStatus();
}

// The steps that turn sentencepiece's tokens into text: U+2581 into spaces,
// "<0x41>" into bytes, one text out of all, and perhaps without the space that
// the normalizer put in front.
absl::Status ParseSentencepieceDecoder(const Field& step, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const Field type, step.Get("type"));
  AHA_ASSIGN_OR_RETURN(const std::string name, type.String());
  if (name == "Fuse" || name == "ByteFallback") return absl::OkStatus();
  if (name == "Metaspace") {
    const std::optional<Field> scheme = step.Find("prepend_scheme");
    AHA_ASSIGN_OR_RETURN(const bool prefix,
                         step.Bool("add_prefix_space", true));
    spec->drop_first_space = scheme ? *scheme->value != "never" : prefix;
    return absl::OkStatus();
  }
  if (name == "Replace") {
    AHA_ASSIGN_OR_RETURN(const Field pattern, step.Get("pattern"));
    const std::optional<Field> from = pattern.Find("String");
    AHA_ASSIGN_OR_RETURN(const Field to, step.Get("content"));
    if (!from || *from->value != kMetaspace || *to.value != " ") {
      return pattern.Unsupported("U+2581 by a space");
    }
    return absl::OkStatus();
  }
  if (name == "Strip") {
    const Json want = {
        {"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
    if (*step.value != want) {
      return type.Unsupported("one space at the start");
    }
    spec->drop_first_space = true;
    return absl::OkStatus();
  }
  return type.Unsupported(
      "Replace, ByteFallback, Fuse, Strip, Metaspace and Sequence");
}

// Which kind of tokenizer it is shows in the decoder.
absl::Status ParseDecoder(const Field& root, TokenizerSpec* spec) {
  const std::optional<Field> decoder = root.Find("decoder");
  if (!decoder) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Field type, decoder->Get("type"));
  if (*type.value == "ByteLevel") return absl::OkStatus();
  spec->byte_level = false;
  if (*type.value != "Sequence") {
    return ParseSentencepieceDecoder(*decoder, spec);
  }
  AHA_ASSIGN_OR_RETURN(const Field list, decoder->Get("decoders"));
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, list.Items());
  for (const Field& item : items) {
    AHA_RETURN_IF_ERROR(ParseSentencepieceDecoder(item, spec));
  }
  return absl::OkStatus();
}

absl::Status ParseSplits(const Field& root, TokenizerSpec* spec) {
  if (spec->byte_level) {
    AHA_ASSIGN_OR_RETURN(const Field splitter, root.Get("pre_tokenizer"));
    return ParsePreTokenizer(splitter, BpeKind::kByteLevel, true, &spec->split);
  }
  const std::optional<Field> splitter = root.Find("pre_tokenizer");
  if (!splitter) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Field type, splitter->Get("type"));
  if (*type.value == "ByteLevel") {
    return type.Unsupported("ByteLevel together with the decoder ByteLevel");
  }
  return ParsePreTokenizer(*splitter, BpeKind::kSentencepiece, true,
                           &spec->split);
}

// The text of a token that a file names: itself, or an object's content.
absl::StatusOr<std::string> TokenText(const Field& field) {
  if (!field.value->is_object()) return field.String();
  return field.Text("content");
}

bool IsToken(const TokenizerSpec& spec, const std::string& text) {
  const auto is = [&](const AddedToken& token) {
    return token.content == text;
  };
  return spec.vocabulary.contains(text) ||
         std::any_of(spec.added.begin(), spec.added.end(), is);
}

absl::StatusOr<int32_t> IdOf(const TokenizerSpec& spec, const std::string& text,
                             const Field& field) {
  for (const AddedToken& token : spec.added) {
    if (token.content == text) return token.id;
  }
  const auto found = spec.vocabulary.find(text);
  if (found != spec.vocabulary.end()) return found->second;
  return field.Unsupported("a token of tokenizer.json");
}

// transformers would add a token of its own for it.
absl::Status RequireToken(const Field& field, const TokenizerSpec& spec) {
  AHA_ASSIGN_OR_RETURN(const std::string text, TokenText(field));
  if (text.empty() || IsToken(spec, text)) return absl::OkStatus();
  return field.Unsupported("a token of tokenizer.json");
}

constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token",
                                  "pad_token", "sep_token", "cls_token",
                                  "mask_token"};

absl::Status CheckRoles(const Field& root, const TokenizerSpec& spec) {
  for (const char* role : kRoles) {
    if (const std::optional<Field> field = root.Find(role)) {
      AHA_RETURN_IF_ERROR(RequireToken(*field, spec));
    }
  }
  for (const char* list :
       {"additional_special_tokens", "extra_special_tokens"}) {
    const std::optional<Field> field = root.Find(list);
    if (!field || !field->value->is_array()) continue;
    AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, field->Items());
    for (const Field& item : items) {
      AHA_RETURN_IF_ERROR(RequireToken(item, spec));
    }
  }
  return absl::OkStatus();
}

absl::Status AddFromDecoder(const Field& root, TokenizerSpec* spec) {
  const std::optional<Field> decoder = root.Find("added_tokens_decoder");
  if (!decoder) return absl::OkStatus();
  if (!decoder->value->is_object()) return decoder->Must("an object");
  TokenAdder adder(spec);
  // By id, as an object's keys are in no order.
  std::vector<std::pair<int32_t, Field>> tokens;
  for (const auto& [key, value] : decoder->value->items()) {
    const Field field{&value, absl::StrCat(decoder->path, ".", key)};
    int32_t id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id >= 1 << 24) {
      return field.Must("keyed by a token id");
    }
    tokens.emplace_back(id, field);
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [id, field] : tokens) {
    AHA_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(field, id));
    if (adder.Has(token.content)) continue;
    AHA_RETURN_IF_ERROR(adder.Add(std::move(token), field.path));
  }
  return absl::OkStatus();
}

// Of a byte-level tokenizer: add_prefix_space changes the pre-tokenizer.
absl::Status CheckPrefixSpace(const Field& root, const TokenizerSpec& spec) {
  const std::optional<Field> field = root.Find("add_prefix_space");
  if (!field || !spec.byte_level) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const bool wanted, root.Bool("add_prefix_space", false));
  const bool has = std::any_of(
      spec.split.begin(), spec.split.end(), [](const SplitStep& step) {
        return step.kind == SplitStep::Kind::kPrefixSpace;
      });
  if (wanted == has) return absl::OkStatus();
  return field->Unsupported(absl::StrCat(
      has ? "true" : "false", ", as tokenizer.json's pre_tokenizer has it"));
}

absl::Status ApplyAddBos(const Field& root, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const bool eos, root.Bool("add_eos_token", false));
  if (eos) return root.Find("add_eos_token")->Unsupported("false");
  if (!root.Find("add_bos_token")) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const bool bos, root.Bool("add_bos_token", false));
  spec->prefix.clear();
  const std::optional<Field> token = root.Find("bos_token");
  if (!bos || !token) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const std::string text, TokenText(*token));
  AHA_ASSIGN_OR_RETURN(const int32_t id, IdOf(*spec, text, *token));
  spec->prefix = {id};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(text));
  const Field root{&json, ""};
  TokenizerSpec spec;
  AHA_RETURN_IF_ERROR(ParseModel(root, &spec));
  AHA_RETURN_IF_ERROR(ParseAddedTokens(root, &spec));
  AHA_RETURN_IF_ERROR(ParseDecoder(root, &spec));
  if (spec.byte_level && spec.byte_fallback) {
    return absl::UnimplementedError(
        "model.byte_fallback: true is not supported with the decoder "
        "ByteLevel; only false");
  }
  AHA_RETURN_IF_ERROR(ParseSplits(root, &spec));
  if (const std::optional<Field> normalizer = root.Find("normalizer")) {
    AHA_RETURN_IF_ERROR(ParseNormalizer(*normalizer, &spec));
  }
  if (const std::optional<Field> processor = root.Find("post_processor")) {
    AHA_RETURN_IF_ERROR(ParsePostProcessor(*processor, &spec));
  }
  return spec;
}

absl::Status ApplyTokenizerConfig(absl::string_view config_json,
                                  TokenizerSpec* spec) {
  if (config_json.empty()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(config_json));
  const Field root{&json, ""};
  AHA_RETURN_IF_ERROR(AddFromDecoder(root, spec));
  AHA_RETURN_IF_ERROR(CheckRoles(root, *spec));
  AHA_RETURN_IF_ERROR(CheckPrefixSpace(root, *spec));
  return ApplyAddBos(root, spec);
}

absl::Status CheckAddedTokensFile(absl::string_view file,
                                  const TokenizerSpec& spec) {
  if (file.empty()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(file));
  for (const auto& [text, value] : json.items()) {
    const Field field{&value, Quote(text)};
    AHA_ASSIGN_OR_RETURN(const int32_t want, field.Id());
    AHA_ASSIGN_OR_RETURN(const int32_t id, IdOf(spec, text, field));
    if (id != want) {
      return field.Unsupported(absl::StrCat("tokenizer.json's id ", id));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSpecialTokensFile(absl::string_view file,
                                    const TokenizerSpec& spec) {
  if (file.empty()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(file));
  return CheckRoles(Field{&json, ""}, spec);
}

absl::StatusOr<std::optional<std::string>> ParseChatTemplate(
    absl::string_view config_json) {
  if (config_json.empty()) return std::nullopt;
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(config_json));
  const std::optional<Field> field = Field{&json, ""}.Find("chat_template");
  if (!field) return std::nullopt;
  if (field->value->is_string()) return field->value->get<std::string>();
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, field->Items());
  for (const Field& item : items) {
    AHA_ASSIGN_OR_RETURN(const std::string name, item.Text("name"));
    AHA_ASSIGN_OR_RETURN(std::string text, item.Text("template"));
    if (name == "default") return text;
  }
  return std::nullopt;
}

nlohmann::ordered_json SpecialTokens(absl::string_view config_json,
                                     absl::string_view special_tokens_json) {
  nlohmann::ordered_json tokens = nlohmann::ordered_json::object();
  const auto add = [&tokens](const Json& source, const std::string& role) {
    const auto found = source.find(role);
    if (found == source.end() || tokens.contains(role)) return;
    const absl::StatusOr<std::string> text = TokenText({&*found, role});
    if (text.ok()) tokens[role] = *text;
  };
  for (const absl::string_view file : {config_json, special_tokens_json}) {
    const absl::StatusOr<Json> json = ParseJsonObject(file);
    if (!json.ok()) continue;
    for (const char* role : kRoles) add(*json, role);
    // Models name roles of their own here.
    const auto extra = json->find("extra_special_tokens");
    if (extra == json->end() || !extra->is_object()) continue;
    for (const auto& [role, token] : extra->items()) add(*extra, role);
  }
  return tokens;
}

}  // namespace aha
