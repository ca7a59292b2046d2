// Builds the parts of a tokenizer.json for BPE. Pure functions; for text/ and
// model/formats/ only.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "nlohmann/json.hpp"

namespace aha {

// This type keeps the order of keys, because files are compared byte by byte.
using OrderedJson = nlohmann::ordered_json;

struct ByteLevelOptions {
  bool add_prefix_space = false;
  bool use_regex = false;
};
inline OrderedJson ByteLevelJson(const ByteLevelOptions& options) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", options.add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", options.use_regex}};
}

enum class TokenKind { kText, kSpecial };
inline OrderedJson AddedTokenJson(int64_t id, const std::string& content,
                                  TokenKind kind) {
  return {{"id", id},
          {"content", content},
          {"single_word", false},
          {"lstrip", false},
          {"rstrip", false},
          {"normalized", false},
          {"special", kind == TokenKind::kSpecial}};
}

struct BpeTokenizerParts {
  OrderedJson added_tokens;
  OrderedJson pre_tokenizer;
  OrderedJson decoder;
  bool ignore_merges = false;
  OrderedJson vocabulary;  // Token -> id.
  OrderedJson merges;
  OrderedJson normalizer = nullptr;
  OrderedJson post_processor = nullptr;
  // Sentencepiece-style vocabularies have these.
  OrderedJson unknown = nullptr;
  bool fuse_unknown = false;
  bool byte_fallback = false;
};

// Puts the token in front of each text.
inline OrderedJson PrefixTemplateJson(const std::string& token, int64_t id) {
  const auto part = [](const char* kind, const std::string& name, int type) {
    return OrderedJson{{kind, {{"id", name}, {"type_id", type}}}};
  };
  OrderedJson entry = {{"id", token},
                       {"ids", OrderedJson::array({id})},
                       {"tokens", OrderedJson::array({token})}};
  return {{"type", "TemplateProcessing"},
          {"single", OrderedJson::array({part("SpecialToken", token, 0),
                                         part("Sequence", "A", 0)})},
          {"pair", OrderedJson::array({part("SpecialToken", token, 0),
                                       part("Sequence", "A", 0),
                                       part("Sequence", "B", 1)})},
          {"special_tokens", OrderedJson{{token, std::move(entry)}}}};
}
inline OrderedJson BpeTokenizerJson(BpeTokenizerParts parts) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", std::move(parts.added_tokens)},
          {"normalizer", std::move(parts.normalizer)},
          {"pre_tokenizer", std::move(parts.pre_tokenizer)},
          {"post_processor", std::move(parts.post_processor)},
          {"decoder", std::move(parts.decoder)},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", std::move(parts.unknown)},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", parts.fuse_unknown},
            {"byte_fallback", parts.byte_fallback},
            {"ignore_merges", parts.ignore_merges},
            {"vocab", std::move(parts.vocabulary)},
            {"merges", std::move(parts.merges)}}}};
}

}  // namespace aha
