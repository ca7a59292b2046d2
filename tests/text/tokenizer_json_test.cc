// Malformed and foreign tokenizer.json files each give one clear error.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/temp_dir.h"
#include "text/tokenizer.h"

namespace aha {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Valid() {
  return Json::parse(R"({
    "added_tokens": [{"id": 3, "content": "<eos>", "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2},
              "merges": ["a b"]}})");
}

struct Case {
  const char* name;
  const char* pointer;  // At this place (a JSON pointer) ...
  const char* value;    // ... this value is put; null removes it.
  absl::StatusCode code;
  const char* message;  // A part of the message.
};

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

constexpr Case kCases[] = {
    {"NoModel", "/model", "null", kInvalid, "model is missing"},
    {"ModelIsText", "/model", "\"x\"", kInvalid, "model must be an object"},
    {"WordPiece", "/model/type", "\"WordPiece\"", kUnimplemented,
     "model.type: \"WordPiece\" is not supported"},
    {"NoVocabulary", "/model/vocab", "null", kInvalid,
     "model.vocab is missing"},
    {"EmptyVocabulary", "/model/vocab", "{}", kInvalid, "must be not empty"},
    {"VocabularyIsArray", "/model/vocab", "[[\"a\", 0.5]]", kInvalid,
     "model.vocab must be an object, got an array of 1"},
    {"IdIsText", "/model/vocab/a", "\"0\"", kInvalid,
     "model.vocab[\"a\"] must be an integer, got \"0\""},
    {"NegativeId", "/model/vocab/a", "-1", kInvalid, "got -1"},
    {"HugeId", "/model/vocab/a", "18446744073709551615", kInvalid,
     "got 18446744073709551615"},
    {"TwinIds", "/model/vocab/a", "1", kInvalid, "must be a unique id"},
    {"MergesAreText", "/model/merges", "\"a b\"", kInvalid,
     "model.merges must be an array"},
    {"MergeOfOne", "/model/merges/0", "\"ab\"", kInvalid,
     "model.merges[0] must be two tokens"},
    {"MergeOfThree", "/model/merges/0", "\"a b c\"", kInvalid,
     "model.merges[0] must be two tokens"},
    {"MergeOfUnknown", "/model/merges/0", "[\"a\", \"c\"]", kInvalid,
     "model.merges[0] must be two tokens of model.vocab"},
    {"MergeOfNumbers", "/model/merges/0", "[1, 2]", kInvalid,
     "model.merges[0] must be"},
    {"Dropout", "/model/dropout", "0.1", kUnimplemented, "model.dropout"},
    {"ByteFallback", "/model/byte_fallback", "true", kUnimplemented,
     "model.byte_fallback"},
    {"Suffix", "/model/end_of_word_suffix", "\"</w>\"", kUnimplemented,
     "model.end_of_word_suffix"},
    {"IgnoreMergesIsNumber", "/model/ignore_merges", "1", kInvalid,
     "model.ignore_merges must be true or false, got 1"},
    {"AddedIsObject", "/added_tokens", "{}", kInvalid,
     "added_tokens must be an array"},
    {"AddedIsEmpty", "/added_tokens/0/content", "\"\"", kInvalid,
     "added_tokens[0].content must be not empty"},
    {"AddedTakesAnId", "/added_tokens/0/id", "2", kInvalid,
     "added_tokens[0].id must be unique, got 2"},
    {"AddedContradicts", "/added_tokens/0/content", "\"ab\"", kInvalid,
     "added_tokens[0].id must be the id of \"ab\" in model.vocab, 2, got 3"},
    {"SingleWord", "/added_tokens/0/single_word", "true", kUnimplemented,
     "added_tokens[0].single_word"},
    {"NoPreTokenizer", "/pre_tokenizer", "null", kInvalid,
     "pre_tokenizer is missing"},
    {"Metaspace", "/pre_tokenizer/type", "\"Metaspace\"", kUnimplemented,
     "pre_tokenizer.type: \"Metaspace\""},
    {"Broken regex", "/pre_tokenizer",
     R"({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "(a"},
         "behavior": "Isolated"}, {"type": "ByteLevel"}]})",
     kInvalid, "must be a regular expression, got \"(a\""},
    {"Behavior", "/pre_tokenizer",
     R"({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "a"},
         "behavior": "Sideways"}, {"type": "ByteLevel"}]})",
     kInvalid, "pretokenizers[0].behavior must be Removed"},
    {"ByteLevelFirst", "/pre_tokenizer",
     R"({"type": "Sequence", "pretokenizers": [
        {"type": "ByteLevel"}, {"type": "Digits"}]})",
     kUnimplemented, "last step is ByteLevel"},
    {"Lowercase", "/normalizer", R"({"type": "Lowercase"})", kUnimplemented,
     "normalizer.type: \"Lowercase\""},
    {"NFKC", "/normalizer",
     R"({"type": "Sequence", "normalizers": [{"type": "NFKC"}]})",
     kUnimplemented, "normalizer.normalizers[0].type: \"NFKC\""},
    {"ReplacedPattern", "/normalizer",
     R"({"type": "Replace", "pattern": {"Regex": "a"}, "content": "b"})",
     kUnimplemented, "normalizer.pattern"},
    {"BosWithoutAnId", "/post_processor",
     R"({"type": "TemplateProcessing", "special_tokens": {}, "single": [
        {"SpecialToken": {"id": "<bos>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}]})",
     kInvalid, "post_processor.special_tokens.<bos> is missing"},
    {"BosOfNoToken", "/post_processor",
     R"({"type": "TemplateProcessing",
        "special_tokens": {"<bos>": {"ids": [99]}}, "single": [
        {"SpecialToken": {"id": "<bos>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}]})",
     kInvalid, "ids[0] must be the id of a token, got 99"},
    {"EosInASequence", "/post_processor",
     R"({"type": "Sequence", "processors": [{"type": "ByteLevel"},
        {"type": "TemplateProcessing", "single": [
         {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<eos>"}}]}]})",
     kUnimplemented, "adds no token after a text"},
    {"TwoSequences", "/post_processor",
     R"({"type": "TemplateProcessing", "single": [
        {"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]})",
     kUnimplemented, "a template of one text"},
    {"BertProcessing", "/post_processor", R"({"type": "BertProcessing"})",
     kUnimplemented, "post_processor.type: \"BertProcessing\""},
    {"NestedProcessors", "/post_processor",
     R"({"type": "Sequence", "processors": [
        {"type": "Sequence", "processors": []}]})",
     kUnimplemented, "post_processor.processors[0].type"},
    {"NoProcessors", "/post_processor", R"({"type": "Sequence"})", kInvalid,
     "post_processor.processors is missing"},
    {"WordPieceDecoder", "/decoder/type", "\"WordPiece\"", kUnimplemented,
     "decoder.type"},
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class MalformedTest : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedTest, IsRefusedWithFieldRuleAndValue) {
  Json json = Valid();
  json[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  const absl::Status status = Tokenizer::Parse(json.dump(), "").status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_THAT(std::string(status.message()), HasSubstr("tokenizer.json: "));
}

INSTANTIATE_TEST_SUITE_P(Cases, MalformedTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::erase(name, ' ');
                           return name;
                         });

TEST(TokenizerJsonTest, TheUnchangedFileIsAccepted) {
  const auto tokenizer = Tokenizer::Parse(Valid().dump(), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("abba<eos>"),
              ::testing::ElementsAre(2, 1, 0, 3));
}

TEST(TokenizerJsonTest, APromptBeginsWithTheTokensOfTheTemplateButNotTwice) {
  Json json = Valid();
  json["post_processor"] = Json::parse(R"({"type": "Sequence", "processors": [
      {"type": "ByteLevel"},
      {"type": "TemplateProcessing",
       "special_tokens": {"<eos>": {"id": "<eos>", "ids": [3]}},
       "single": [{"SpecialToken": {"id": "<eos>"}},
                  {"Sequence": {"id": "A"}}]}]})");
  const auto tokenizer = Tokenizer::Parse(json.dump(), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("ab"), ::testing::ElementsAre(2));
  EXPECT_THAT(*(*tokenizer)->EncodePrompt("ab"), ::testing::ElementsAre(3, 2));
  EXPECT_THAT(*(*tokenizer)->EncodePrompt("<eos>ab"),
              ::testing::ElementsAre(3, 2));
  EXPECT_THAT(*(*tokenizer)->EncodePrompt(""), ::testing::ElementsAre(3));
}

// transformers makes the post-processor again from these.
TEST(TokenizerJsonTest, AddBosTokenSaysWhetherAPromptBeginsWithIt) {
  const auto prompt = [](const char* config) {
    const auto tokenizer = Tokenizer::Parse(Valid().dump(), config);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return tokenizer.ok() ? *(*tokenizer)->EncodePrompt("ab")
                          : std::vector<int32_t>();
  };
  EXPECT_THAT(prompt(R"({"add_bos_token": true, "bos_token": "<eos>"})"),
              ::testing::ElementsAre(3, 2));
  EXPECT_THAT(prompt(R"({"add_bos_token": false, "bos_token": "<eos>"})"),
              ::testing::ElementsAre(2));
  EXPECT_THAT(prompt(R"({"add_bos_token": true, "bos_token": null})"),
              ::testing::ElementsAre(2));
}

TEST(TokenizerJsonTest, ANormalizerThatWritesTooMuchEndsInAnError) {
  Json json = Valid();
  const Json twice = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  json["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", std::vector<Json>(60, twice)}};
  const auto tokenizer = Tokenizer::Parse(json.dump(), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(std::string((*tokenizer)->Encode("a").status().message()),
              HasSubstr("normalizer must not make a text of 1 bytes longer"));
  json["normalizer"] = twice;
  json["normalizer"]["content"] = std::string(65, 'a');
  EXPECT_THAT(
      std::string(Tokenizer::Parse(json.dump(), "").status().message()),
      HasSubstr("normalizer must be a step that writes at most 64 bytes"));
}

// It would be found everywhere.
TEST(TokenizerJsonTest, AnAddedTokenOfWhichNothingIsLeftStandsNowhere) {
  Json json = Valid();
  json["added_tokens"].push_back(
      {{"id", 4}, {"content", "z"}, {"normalized", true}});
  json["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"String", "z"}}}, {"content", ""}};
  const auto tokenizer = Tokenizer::Parse(json.dump(), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("azb"), ::testing::ElementsAre(2));
  EXPECT_FALSE((*tokenizer)->Encode(std::string("a\0", 2)).ok());  // No byte 0.
}

TEST(TokenizerJsonTest, TokensThatStandInTheConfigurationAloneAreAdded) {
  const auto tokenizer = Tokenizer::Parse(Valid().dump(), R"({
      "added_tokens_decoder": {
        "3": {"content": "<eos>", "special": true},
        "4": {"content": "<think>", "special": true},
        "2": {"content": "ab", "special": false, "normalized": false}}})");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("<think>ab<eos>"),
              ::testing::ElementsAre(4, 2, 3));
  EXPECT_EQ((*tokenizer)->vocab_size(), 5);
  EXPECT_EQ((*tokenizer)->Decode({4, 3}, Tokenizer::Special::kSkip), "");
}

TEST(TokenizerJsonTest, WhatTheConfigurationWouldChangeIsRefusedByName) {
  for (const auto& [config, message] :
       {std::pair(R"({"pad_token": "[PAD]"})",
                  "pad_token: \"[PAD]\" is not supported; only a token of "
                  "tokenizer.json"),
        std::pair(R"({"additional_special_tokens": ["<eos>", "<x>"]})",
                  "additional_special_tokens[1]: \"<x>\""),
        std::pair(R"({"add_prefix_space": true})",
                  "add_prefix_space: true is not supported; only false"),
        std::pair(R"({"add_eos_token": true})", "add_eos_token"),
        std::pair(R"({"added_tokens_decoder": {"3": {"content": "<x>"}}})",
                  "added_tokens_decoder.3.id must be unique"),
        std::pair(R"({"added_tokens_decoder": {"x": {"content": "<x>"}}})",
                  "added_tokens_decoder.x must be keyed by a token id")}) {
    const absl::Status status =
        Tokenizer::Parse(Valid().dump(), config).status();
    EXPECT_FALSE(status.ok()) << config;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("tokenizer_config.json: "));
  }
}

TEST(TokenizerJsonTest, ATokenOfAnotherFileMustBeOneOfTheTokenizers) {
  const TempDir scratch;
  scratch.Write("tokenizer.json", Valid().dump());
  scratch.Write("added_tokens.json", R"({"<eos>": 3})");
  scratch.Write("special_tokens_map.json", R"({"eos_token": "<eos>"})");
  EXPECT_TRUE(Tokenizer::Load(scratch.path()).ok());
  scratch.Write("added_tokens.json", R"({"<new>": 4})");
  EXPECT_THAT(std::string(Tokenizer::Load(scratch.path()).status().message()),
              HasSubstr("added_tokens.json: \"<new>\": 4 is not supported"));
  scratch.Write("added_tokens.json", "{}");
  scratch.Write("special_tokens_map.json",
                R"({"pad_token": {"content": "<pad>"}})");
  EXPECT_THAT(std::string(Tokenizer::Load(scratch.path()).status().message()),
              HasSubstr("special_tokens_map.json: pad_token"));
}

TEST(TokenizerJsonTest, PostProcessorsThatAddNoTokenAreAccepted) {
  for (const char* processor :
       {"null", R"({"type": "ByteLevel", "trim_offsets": false})",
        R"({"type": "TemplateProcessing", "single": [
           {"Sequence": {"id": "A", "type_id": 0}}]})",
        R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}]})"}) {
    Json json = Valid();
    json["post_processor"] = Json::parse(processor);
    const auto tokenizer = Tokenizer::Parse(json.dump(), "");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_THAT(*(*tokenizer)->Encode("ab"), ::testing::ElementsAre(2));
  }
}

TEST(TokenizerJsonTest, WhatIsNotJsonIsRefused) {
  for (const char* text : {"", "{", "[]", "\xff\xfe", "null", "{\"a\":1"}) {
    const absl::Status status = Tokenizer::Parse(text, "").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()),
                AnyOf(HasSubstr("tokenizer.json: not valid JSON: column"),
                      HasSubstr("tokenizer.json: must be a JSON object, got")));
  }
}

TEST(TokenizerJsonTest, ABrokenConfigurationIsRefused) {
  const absl::Status status =
      Tokenizer::Parse(Valid().dump(), "{\"chat_template\": 7}").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tokenizer_config.json: chat_template must be"));
}

// On n times "a" and another character, (a+)+$ needs 2^n steps.
TEST(TokenizerJsonTest, AHostilePatternEndsInAnError) {
  Json json = Valid();
  json["pre_tokenizer"] = Json::parse(
      R"({"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": "(a+)+$"},
           "behavior": "Isolated"}, {"type": "ByteLevel"}]})");
  const auto tokenizer = Tokenizer::Parse(json.dump(), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const absl::Status status =
      (*tokenizer)->Encode(std::string(5000, 'a') + "b").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("too many steps"));
}

}  // namespace
}  // namespace aha
