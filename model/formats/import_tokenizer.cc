// Converts the tokenizer in a GGUF file to tokenizer.json and
// tokenizer_config.json (model/formats/import.h).
#include <optional>
#include <utility>

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

Json SplitBy(const char* regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

// Returns the pre-tokenizer that llama.cpp knows by this name, as the
// tokenizer.json of its models has it.
absl::StatusOr<Json> PreTokenizerOf(const std::string& name) {
  if (name == "gpt-2") return ByteLevelJson({.use_regex = true});
  if (name == "smollm" || name == "starcoder" || name == "refact") {
    const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
    return Sequence(digits, ByteLevelJson({.use_regex = true}));
  }
  if (name == "llama-bpe") {
    return Sequence(
        SplitBy("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
                "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
                "\\s+(?!\\S)|\\s+"),
        ByteLevelJson({}));
  }
  return absl::UnimplementedError(absl::StrCat(
      "tokenizer.ggml.pre must be gpt-2, smollm, starcoder, refact or "
      "llama-bpe, got ",
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
  if (file.Find("llama.context_length") != nullptr) {
    AHA_ASSIGN_OR_RETURN(const int64_t context,
                         file.Integer("llama.context_length"));
    config["model_max_length"] = context;
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

// Refuses models for which llama.cpp adds tokens to every text, because
// tokenizer.json would have to add them too. If the key is missing, llama-bpe
// adds a token at the beginning of each text.
absl::Status RefuseAddedEnds(const std::string& pre, const GgufFile& file) {
  for (const auto& [key, absent] :
       {std::pair("tokenizer.ggml.add_bos_token", pre == "llama-bpe"),
        std::pair("tokenizer.ggml.add_eos_token", false)}) {
    bool adds = absent;
    if (file.Find(key) != nullptr) {
      AHA_ASSIGN_OR_RETURN(adds, file.Bool(key));
    }
    if (!adds) continue;
    return absl::UnimplementedError(absl::StrCat(
        key, " must be false, got ",
        file.Find(key) == nullptr ? "no value, which means true for llama-bpe"
                                  : "true"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GgufTokenizerFiles> TokenizerOfGguf(const GgufFile& file) {
  AHA_ASSIGN_OR_RETURN(const std::string model,
                       file.String("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return absl::UnimplementedError(
        absl::StrCat("tokenizer.ggml.model must be \"gpt2\" (byte-level BPE), "
                     "got ",
                     Quote(model)));
  }
  AHA_ASSIGN_OR_RETURN(const std::string pre,
                       file.String("tokenizer.ggml.pre"));
  AHA_ASSIGN_OR_RETURN(const Json pre_tokenizer, PreTokenizerOf(pre));
  AHA_RETURN_IF_ERROR(RefuseAddedEnds(pre, file));
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string>* tokens,
                       file.Strings("tokenizer.ggml.tokens"));
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
                       ReadVocabulary(*tokens, file));
  AHA_ASSIGN_OR_RETURN(const Json config, ConfigJson(*tokens, file));
  const Json tokenizer =
      BpeTokenizerJson({.added_tokens = vocabulary.added,
                        .pre_tokenizer = pre_tokenizer,
                        .decoder = ByteLevelJson({.use_regex = true}),
                        .ignore_merges = pre == "llama-bpe",
                        .vocabulary = vocabulary.ids,
                        .merges = *merges});
  return GgufTokenizerFiles{tokenizer.dump(1) + "\n", config.dump(2) + "\n"};
}

}  // namespace aha
