// The character tokenizer, written as the byte-level BPE without merges that
// it is, so that Hugging Face's libraries read it too.
#include <string>

#include "absl/strings/str_cat.h"
#include "model/tokenizer.h"
#include "model/tokenizer_bytes.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAdded[] = {"<eos>", "<think>", "</think>", "<answer>",
                                  "</answer>"};

Json AddedTokenJson(int32_t id) {
  return {{"id", id},
          {"content", kAdded[id]},
          {"single_word", false},
          {"lstrip", false},
          {"rstrip", false},
          {"normalized", false},
          // The tags are text that rewards look at; only <eos> is dropped
          // where special tokens are.
          {"special", id == 0}};
}

Json ByteLevel(bool add_prefix_space) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", false}};
}

}  // namespace

TokenizerFiles CharacterTokenizer() {
  TokenizerFiles files;
  Json vocabulary;
  Json added = Json::array();
  for (const char* token : kAdded) {
    added.push_back(AddedTokenJson(files.vocab_size));
    vocabulary[token] = files.vocab_size++;
  }
  std::string characters = "\n";
  for (char c = ' '; c <= '~'; ++c) characters.push_back(c);
  for (const char c : characters) {
    vocabulary[BytesToAlphabet(absl::string_view(&c, 1))] = files.vocab_size++;
  }
  const Json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", added},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", ByteLevel(false)},
                          {"post_processor", nullptr},
                          {"decoder", ByteLevel(true)},
                          {"model",
                           {{"type", "BPE"},
                            {"dropout", nullptr},
                            {"unk_token", nullptr},
                            {"continuing_subword_prefix", nullptr},
                            {"end_of_word_suffix", nullptr},
                            {"fuse_unk", false},
                            {"byte_fallback", false},
                            {"ignore_merges", false},
                            {"vocab", vocabulary},
                            {"merges", Json::array()}}}};
  const Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                       {"bos_token", nullptr},
                       {"eos_token", kAdded[0]},
                       {"pad_token", kAdded[0]},
                       {"clean_up_tokenization_spaces", false}};
  files.tokenizer_json = tokenizer.dump(2) + "\n";
  files.tokenizer_config_json = config.dump(2) + "\n";
  files.eos_token_id = 0;
  return files;
}

}  // namespace aha
