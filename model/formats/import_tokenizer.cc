// Converts the tokenizer in a GGUF file to tokenizer.json and
// tokenizer_config.json (model/formats/import.h).
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text.h"
#include "model/formats/import.h"
#include "text/tokenizer_bytes.h"
#include "text/tokenizer_write.h"

namespace aha {
namespace {

using Json = OrderedJson;

// Values of tokenizer.ggml.token_type in llama.cpp.
enum GgufTokenType { kControl = 3, kUserDefined = 4 };

Json Sequence(const Json& first, const Json& second) {
  Json steps = Json::array({first, second});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

Json SplitBy(const std::string& regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

// What llama.cpp knows by the name of tokenizer.ggml.pre, as the tokenizer.json
// of its models has it.
struct ByteLevelKind {
  Json pre_tokenizer;
  bool ignore_merges = false;
  bool adds_bos = false;  // If tokenizer.ggml.add_bos_token is missing.
};

// The pattern of Llama 3, in which Qwen takes one digit and Llama 3 up to three
// as a word.
std::string Llama3Pattern(const char* digits) {
  return absl::StrCat(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|", digits,
      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
}

// Mistral's, which cuts words where lower case ends.
constexpr char kTekkenPattern[] =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
    "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

absl::StatusOr<ByteLevelKind> KindOf(const std::string& name) {
  if (name == "gpt-2") return ByteLevelKind{ByteLevelJson({.use_regex = true})};
  if (name == "smollm" || name == "starcoder" || name == "refact") {
    const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
    return ByteLevelKind{Sequence(digits, ByteLevelJson({.use_regex = true}))};
  }
  if (name == "llama-bpe") {
    return ByteLevelKind{
        .pre_tokenizer =
            Sequence(SplitBy(Llama3Pattern("\\p{N}{1,3}")), ByteLevelJson({})),
        .ignore_merges = true,
        .adds_bos = true};
  }
  // Qwen's own tokenizer.json brings a text to Unicode's form C first. A GGUF
  // file does not say so, and neither transformers nor llama.cpp does it for
  // one.
  if (name == "qwen2" || name == "deepseek-r1-qwen") {
    return ByteLevelKind{
        Sequence(SplitBy(Llama3Pattern("\\p{N}")), ByteLevelJson({}))};
  }
  if (name == "tekken") {
    return ByteLevelKind{
        .pre_tokenizer = Sequence(SplitBy(kTekkenPattern), ByteLevelJson({})),
        .ignore_merges = true,
        .adds_bos = true};
  }
  return absl::UnimplementedError(absl::StrCat(
      "tokenizer.ggml.pre must be gpt-2, smollm, starcoder, refact, llama-bpe, "
      "qwen2, deepseek-r1-qwen or tekken, got ",
      Quote(name)));
}

struct Vocabulary {
  Json::object_t ids;  // In order of id.
  Json added = Json::array();
};

absl::StatusOr<Vocabulary> ReadVocabulary(
    const std::vector<std::string>& tokens, const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const std::vector<int64_t>* types,
                       file.Integers("tokenizer.ggml.token_type"));
  if (types->size() != tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer.ggml.token_type must have an entry for each of "
                     "the ",
                     tokens.size(), " tokens, got ", types->size()));
  }
  Vocabulary vocabulary;
  absl::flat_hash_set<std::string> seen;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string& token = tokens[id];
    if (token.empty() || FindMalformedUtf8(token) != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer.ggml.tokens[", id,
                       "] must be text in UTF-8, got ", Quote(token)));
    }
    if (!seen.insert(token).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer.ggml.tokens[", id, "] must be unique, got ",
                       Quote(token), " twice"));
    }
    // emplace_back avoids the lookup of operator[], which is linear in the size
    // of an ordered object.
    vocabulary.ids.emplace_back(token, id);
    if ((*types)[id] == kControl || (*types)[id] == kUserDefined) {
      vocabulary.added.push_back(AddedTokenJson(
          static_cast<int64_t>(id), token,
          (*types)[id] == kControl ? TokenKind::kSpecial : TokenKind::kText));
    }
  }
  return vocabulary;
}

// Maps "bos_token" to the text of token `tokenizer.ggml.bos_token_id`, and so
// on.
absl::StatusOr<Json> NameSpecialTokens(const std::vector<std::string>& tokens,
                                       const GgufFile& file) {
  Json names;
  for (const auto& [field, key] :
       {std::pair("bos_token", "bos"), std::pair("eos_token", "eos"),
        std::pair("unk_token", "unknown"), std::pair("pad_token", "padding")}) {
    const std::string path = absl::StrCat("tokenizer.ggml.", key, "_token_id");
    if (file.Find(path) == nullptr) continue;
    AHA_ASSIGN_OR_RETURN(const int64_t id, file.Integer(path));
    if (id < 0 || id >= static_cast<int64_t>(tokens.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, " must be below the vocabulary's size, ",
                       tokens.size(), ", got ", id));
    }
    names[field] = tokens[id];
  }
  return names;
}

absl::StatusOr<Json> ConfigJson(const std::vector<std::string>& tokens,
                                const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(Json config, NameSpecialTokens(tokens, file));
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["add_prefix_space"] = false;
  config["clean_up_tokenization_spaces"] = false;
  AHA_ASSIGN_OR_RETURN(const std::string architecture,
                       file.String("general.architecture"));
  const std::string context = absl::StrCat(architecture, ".context_length");
  if (file.Find(context) != nullptr) {
    AHA_ASSIGN_OR_RETURN(const int64_t length, file.Integer(context));
    config["model_max_length"] = length;
  }
  if (file.Find("tokenizer.chat_template") != nullptr) {
    AHA_ASSIGN_OR_RETURN(const std::string chat,
                         file.String("tokenizer.chat_template"));
    if (FindMalformedUtf8(chat) != std::string::npos) {
      return absl::InvalidArgumentError(
          "tokenizer.chat_template must be UTF-8, got other bytes");
    }
    config["chat_template"] = chat;
  }
  return config;
}

absl::StatusOr<bool> BoolOr(const GgufFile& file, absl::string_view key,
                            bool absent) {
  if (file.Find(key) == nullptr) return absent;
  return file.Bool(key);
}

// The post-processor that puts the token of tokenizer.ggml.bos_token_id in
// front of each text; null if the file does not want it.
absl::StatusOr<Json> PostProcessor(const std::vector<std::string>& tokens,
                                   const GgufFile& file, bool adds_bos) {
  AHA_ASSIGN_OR_RETURN(const bool eos,
                       BoolOr(file, "tokenizer.ggml.add_eos_token", false));
  if (eos) {
    return absl::UnimplementedError(
        "tokenizer.ggml.add_eos_token must be false, got true");
  }
  AHA_ASSIGN_OR_RETURN(const bool bos,
                       BoolOr(file, "tokenizer.ggml.add_bos_token", adds_bos));
  if (!bos) return Json(nullptr);
  AHA_ASSIGN_OR_RETURN(const int64_t id,
                       file.Integer("tokenizer.ggml.bos_token_id"));
  if (id < 0 || id >= static_cast<int64_t>(tokens.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer.ggml.bos_token_id must be below the "
                     "vocabulary's size, ",
                     tokens.size(), ", got ", id));
  }
  return PrefixTemplateJson(tokens[static_cast<size_t>(id)], id);
}

absl::StatusOr<Json> ByteLevelTokenizer(const std::vector<std::string>& tokens,
                                        const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const std::string pre,
                       file.String("tokenizer.ggml.pre"));
  AHA_ASSIGN_OR_RETURN(ByteLevelKind kind, KindOf(pre));
  AHA_ASSIGN_OR_RETURN(Json processor,
                       PostProcessor(tokens, file, kind.adds_bos));
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string>* merges,
                       file.Strings("tokenizer.ggml.merges"));
  for (size_t i = 0; i < merges->size(); ++i) {
    if (FindMalformedUtf8((*merges)[i]) != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.merges[",
                                                     i, "] must be UTF-8, got ",
                                                     Quote((*merges)[i])));
    }
  }
  AHA_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                       ReadVocabulary(tokens, file));
  return BpeTokenizerJson({.added_tokens = vocabulary.added,
                           .pre_tokenizer = std::move(kind.pre_tokenizer),
                           .decoder = ByteLevelJson({.use_regex = true}),
                           .ignore_merges = kind.ignore_merges,
                           .vocabulary = vocabulary.ids,
                           .merges = *merges,
                           .post_processor = std::move(processor)});
}

// Sentencepiece merges the pair whose union has the highest score, and of one
// union's pairs there may be several. A tokenizer.json lists them in the order
// of these scores, as transformers does.
absl::StatusOr<Json> MergesOfScores(const std::vector<std::string>& tokens,
                                    const std::vector<double>& scores) {
  absl::flat_hash_map<absl::string_view, size_t> ids;
  for (size_t id = 0; id < tokens.size(); ++id) ids.emplace(tokens[id], id);
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  Json merges = Json::array();
  for (const size_t id : order) {
    const absl::string_view token = tokens[id];
    std::vector<std::pair<size_t, size_t>> pairs;
    for (size_t at = 0; at < token.size();) {
      at += ReadUtf8(token, at).size;
      const auto left = ids.find(token.substr(0, at));
      const auto right = ids.find(token.substr(at));
      if (left != ids.end() && right != ids.end()) {
        pairs.emplace_back(left->second, right->second);
      }
    }
    std::sort(pairs.begin(), pairs.end());
    for (const auto& [left, right] : pairs) {
      merges.push_back(Json::array({tokens[left], tokens[right]}));
    }
  }
  return merges;
}

// The tokens "<0x00>" and others, and the pieces of a sentencepiece vocabulary.
absl::StatusOr<Json> SentencepieceTokenizer(
    const std::vector<std::string>& tokens, const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const bool prefix_space,
                       BoolOr(file, "tokenizer.ggml.add_space_prefix", true));
  if (prefix_space) {
    return absl::UnimplementedError(
        "tokenizer.ggml.add_space_prefix must be false (as Gemma has it), got "
        "true: import the model from its Hugging Face directory");
  }
  AHA_ASSIGN_OR_RETURN(Json processor, PostProcessor(tokens, file, true));
  const GgufValue* value = file.Find("tokenizer.ggml.scores");
  const auto* scores =
      value == nullptr ? nullptr : std::get_if<std::vector<double>>(value);
  if (scores == nullptr || scores->size() != tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer.ggml.scores must be a number for each of the ",
                     tokens.size(), " tokens"));
  }
  AHA_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                       ReadVocabulary(tokens, file));
  AHA_ASSIGN_OR_RETURN(Json merges, MergesOfScores(tokens, *scores));
  const Json mark = {{"String", kMetaspace}}, space = {{"String", " "}};
  AHA_ASSIGN_OR_RETURN(const Json names, NameSpecialTokens(tokens, file));
  return BpeTokenizerJson(
      {.added_tokens = vocabulary.added,
       .pre_tokenizer = {{"type", "Split"},
                         {"pattern", space},
                         {"behavior", "MergedWithPrevious"},
                         {"invert", false}},
       .decoder = {{"type", "Sequence"},
                   {"decoders", Json::array({Json{{"type", "Replace"},
                                                  {"pattern", mark},
                                                  {"content", " "}},
                                             Json{{"type", "ByteFallback"}},
                                             Json{{"type", "Fuse"}}})}},
       .vocabulary = vocabulary.ids,
       .merges = std::move(merges),
       .normalizer = {{"type", "Replace"},
                      {"pattern", space},
                      {"content", kMetaspace}},
       .post_processor = std::move(processor),
       .unknown = names.value("unk_token", Json()),
       .fuse_unknown = true,
       .byte_fallback = true});
}

}  // namespace

absl::StatusOr<GgufTokenizerFiles> TokenizerOfGguf(const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const std::string model,
                       file.String("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return absl::UnimplementedError(
        absl::StrCat("tokenizer.ggml.model must be \"gpt2\" (byte-level BPE) "
                     "or \"llama\" (sentencepiece's BPE), got ",
                     Quote(model)));
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string>* tokens,
                       file.Strings("tokenizer.ggml.tokens"));
  AHA_ASSIGN_OR_RETURN(const Json tokenizer,
                       model == "gpt2" ? ByteLevelTokenizer(*tokens, file)
                                       : SentencepieceTokenizer(*tokens, file));
  AHA_ASSIGN_OR_RETURN(const Json config, ConfigJson(*tokens, file));
  return GgufTokenizerFiles{tokenizer.dump(1) + "\n", config.dump(2) + "\n"};
}

}  // namespace aha
