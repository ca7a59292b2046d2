// The character tokenizer. It is a byte-level BPE without merges and is written
// as one, so that Hugging Face's libraries read it too.
#include <string>

#include "absl/strings/str_cat.h"
#include "text/tokenizer.h"
#include "text/tokenizer_bytes.h"
#include "text/tokenizer_write.h"

namespace aha {
namespace {

using Json = OrderedJson;

constexpr const char* kAdded[] = {"<eos>", "<think>", "</think>", "<answer>",
                                  "</answer>"};

}  // namespace

TokenizerFiles CharacterTokenizer() {
  TokenizerFiles files;
  Json vocabulary;
  Json added = Json::array();
  for (const char* token : kAdded) {
    // Rewards look for the tags, so they are text; only <eos> disappears where
    // special tokens are skipped.
    added.push_back(AddedTokenJson(
        files.vocab_size, token,
        files.vocab_size == 0 ? TokenKind::kSpecial : TokenKind::kText));
    vocabulary[token] = files.vocab_size++;
  }
  std::string characters = "\n";
  for (char c = ' '; c <= '~'; ++c) characters.push_back(c);
  for (const char c : characters) {
    vocabulary[BytesToAlphabet(absl::string_view(&c, 1))] = files.vocab_size++;
  }
  const Json tokenizer =
      BpeTokenizerJson({.added_tokens = added,
                        .pre_tokenizer = ByteLevelJson({}),
                        .decoder = ByteLevelJson({.add_prefix_space = true}),
                        .vocabulary = vocabulary,
                        .merges = Json::array()});
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
