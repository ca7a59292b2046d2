// Implements text/tokenizer_json.h. Each Parse... function reads one section of
// the file, and Refuse... and Check... reject what Aha would not reproduce
// exactly.
#include "text/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
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

// Refuses BPE options that byte-level tokenizers do not use.
absl::Status RefuseOtherBpe(const Field& model) {
  if (const std::optional<Field> dropout = model.Find("dropout")) {
    if (*dropout->value != 0) return dropout->Unsupported("null");
  }
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::optional<Field> affix = model.Find(name);
    if (affix && *affix->value != "") return affix->Unsupported("null");
  }
  const std::optional<Field> fallback = model.Find("byte_fallback");
  if (fallback && *fallback->value != false) {
    return fallback->Unsupported("false (byte-level vocabularies)");
  }
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
  AHA_ASSIGN_OR_RETURN(spec->ignore_merges, model.Bool("ignore_merges", false));
  return absl::OkStatus();
}

absl::StatusOr<AddedToken> ParseAddedToken(const Field& field) {
  if (!field.value->is_object()) return field.Must("an object");
  AddedToken token;
  AHA_ASSIGN_OR_RETURN(const Field content, field.Get("content"));
  AHA_ASSIGN_OR_RETURN(token.content, content.String());
  if (token.content.empty()) return content.Must("not empty");
  AHA_ASSIGN_OR_RETURN(const Field id, field.Get("id"));
  AHA_ASSIGN_OR_RETURN(token.id, id.Id());
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

absl::Status ParseAddedTokens(const Field& root, TokenizerSpec* spec) {
  const std::optional<Field> added = root.Find("added_tokens");
  if (!added) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, added->Items());
  absl::flat_hash_map<int32_t, std::string> spelled;
  for (const auto& [token, id] : spec->vocabulary) spelled.emplace(id, token);
  absl::flat_hash_set<std::string> seen;
  for (const Field& item : items) {
    AHA_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(item));
    // An added token may repeat an entry of the vocabulary if both have the
    // same id.
    const auto known = spec->vocabulary.find(token.content);
    if (known != spec->vocabulary.end() && known->second != token.id) {
      return absl::InvalidArgumentError(absl::StrCat(
          item.path, ".id must be the id of ", Quote(token.content),
          " in model.vocab, ", known->second, ", got ", token.id));
    }
    const auto [place, fresh] = spelled.emplace(token.id, token.content);
    if (!fresh && place->second != token.content) {
      return absl::InvalidArgumentError(
          absl::StrCat(item.path, ".id must be unique, got ", token.id,
                       ", that of ", Quote(place->second)));
    }
    if (!seen.insert(token.content).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(item.path, ".content must be unique, got ",
                       Quote(token.content), " twice"));
    }
    spec->vocab_size = std::max(spec->vocab_size, token.id + 1);
    spec->added.push_back(std::move(token));
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

// `last` says that this is the last step. ByteLevel rewrites the text, so it
// must be the last one.
absl::Status ParsePreTokenizer(const Field& step, bool last,
                               std::vector<SplitStep>* out) {
  if (!step.value->is_object()) return step.Must("an object");
  AHA_ASSIGN_OR_RETURN(const Field type, step.Get("type"));
  AHA_ASSIGN_OR_RETURN(const std::string name, type.String());
  if ((name == "ByteLevel") != last && name != "Sequence") {
    return type.Unsupported("a pre-tokenizer whose last step is ByteLevel");
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
    return type.Unsupported("Sequence, Split, Digits and ByteLevel");
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
        ParsePreTokenizer(items[i], i + 1 == items.size(), out));
  }
  return absl::OkStatus();
}

absl::Status ParseNormalizer(const Field& root, TokenizerSpec* spec) {
  const std::optional<Field> normalizer = root.Find("normalizer");
  if (!normalizer) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Field type, normalizer->Get("type"));
  if (*type.value != "NFC") return type.Unsupported("null and NFC");
  spec->nfc = true;
  return absl::OkStatus();
}

// Accepts only post-processors that add no tokens, because none are added here.
absl::Status CheckPostProcessor(const Field& processor) {
  AHA_ASSIGN_OR_RETURN(const Field type, processor.Get("type"));
  // This one changes only the offsets of tokens, which Aha does not use.
  if (*type.value == "ByteLevel") return absl::OkStatus();
  if (*type.value == "Sequence") {
    AHA_ASSIGN_OR_RETURN(const Field list, processor.Get("processors"));
    AHA_ASSIGN_OR_RETURN(const std::vector<Field> items, list.Items());
    for (const Field& item : items) {
      const std::optional<Field> inner = item.Find("type");
      if (inner && *inner->value == "Sequence") {
        return inner->Unsupported("a flat Sequence");
      }
      AHA_RETURN_IF_ERROR(CheckPostProcessor(item));
    }
    return absl::OkStatus();
  }
  if (*type.value != "TemplateProcessing") {
    return type.Unsupported(
        "ByteLevel and a TemplateProcessing without "
        "special tokens");
  }
  AHA_ASSIGN_OR_RETURN(const Field single, processor.Get("single"));
  AHA_ASSIGN_OR_RETURN(const std::vector<Field> parts, single.Items());
  for (const Field& part : parts) {
    const std::optional<Field> token = part.Find("SpecialToken");
    if (token) {
      AHA_ASSIGN_OR_RETURN(const Field id, token->Get("id"));
      return id.Unsupported("a template that adds no token to a text");
    }
  }
  if (parts.size() != 1 || !parts[0].Find("Sequence")) {
    return single.Unsupported("one {\"Sequence\": ...}");
  }
  return absl::OkStatus();
}

absl::Status CheckDecoder(const Field& root) {
  const std::optional<Field> decoder = root.Find("decoder");
  if (!decoder) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const Field type, decoder->Get("type"));
  if (*type.value != "ByteLevel") return type.Unsupported("ByteLevel");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJsonObject(text));
  const Field root{&json, ""};
  TokenizerSpec spec;
  AHA_RETURN_IF_ERROR(ParseModel(root, &spec));
  AHA_RETURN_IF_ERROR(ParseAddedTokens(root, &spec));
  AHA_ASSIGN_OR_RETURN(const Field splitter, root.Get("pre_tokenizer"));
  AHA_RETURN_IF_ERROR(ParsePreTokenizer(splitter, true, &spec.split));
  AHA_RETURN_IF_ERROR(ParseNormalizer(root, &spec));
  if (const std::optional<Field> processor = root.Find("post_processor")) {
    AHA_RETURN_IF_ERROR(CheckPostProcessor(*processor));
  }
  AHA_RETURN_IF_ERROR(CheckDecoder(root));
  return spec;
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

}  // namespace aha
