// A row becomes the prompt that its keys say, whatever they are called.
#include "data/prompt_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "data/data_presets.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::json;

std::unique_ptr<PromptMapper> Make(const PromptMapping& mapping) {
  auto mapper = PromptMapper::Create(mapping);
  EXPECT_TRUE(mapper.ok()) << mapper.status();
  return *std::move(mapper);
}

PromptRecord Map(const PromptMapping& mapping, const Json& row) {
  const MappedRow mapped = Make(mapping)->Map(row, "line-1");
  if (const BadRow* bad = std::get_if<BadRow>(&mapped)) {
    ADD_FAILURE() << bad->message;
    return {};
  }
  return std::get<PromptRecord>(mapped);
}

// "CAUSE: MESSAGE" of a row that must be refused.
std::string Refused(const PromptMapping& mapping, const Json& row) {
  const MappedRow mapped = Make(mapping)->Map(row, "line-1");
  if (const BadRow* bad = std::get_if<BadRow>(&mapped)) {
    return std::string(bad->cause) + ": " + bad->message;
  }
  return "no error";
}

PromptMapping Preset(const std::string& name) {
  const DataPreset* preset = FindDataPreset(name);
  EXPECT_NE(preset, nullptr) << name;
  return {.fields = preset->fields, .extract = preset->extract};
}

TEST(MappingTest, NamesThatPeopleHaveAreFoundInTheirOrder) {
  for (const absl::string_view prompt : PromptNames()) {
    if (prompt == "messages" || prompt == "conversations") continue;
    const Json row = {{std::string(prompt), "1+1?"}, {"target", 2.5}};
    EXPECT_EQ(Map({}, row).prompt, "1+1?");
    EXPECT_EQ(Map({}, row).answer, "2.5");
    EXPECT_THAT(Map({}, row).fields, IsEmpty());
  }
  const Json math = {
      {"problem", "p"}, {"solution", "long"}, {"answer", "7"}, {"level", 3}};
  EXPECT_EQ(Map({}, math).answer, "7");
  EXPECT_THAT(Map({}, math).fields,
              ElementsAre(Pair("level", "3"), Pair("solution", "\"long\"")));
  const Json verl = {{"prompt", "p"},
                     {"reward_model", {{"ground_truth", "8"}}}};
  EXPECT_EQ(Map({}, verl).answer, "8");
}

TEST(MappingTest, TheFirstRowDecidesTheNames) {
  const auto mapper = Make({});
  mapper->Map({{"question", "a"}, {"target", 1}, {"id", "x"}}, "line-1");
  EXPECT_EQ(mapper->used().prompt, "question");
  EXPECT_EQ(mapper->used().answer, "target");
  const MappedRow other =
      mapper->Map({{"prompt", "b"}, {"answer", 2}}, "line-2");
  EXPECT_THAT(std::get<BadRow>(other).message,
              HasSubstr("question is missing; the row has answer, prompt"));
  // An id that was found is not needed in every row.
  const MappedRow without =
      mapper->Map({{"question", "b"}, {"target", 2}}, "line-3");
  EXPECT_EQ(std::get<PromptRecord>(without).id, "line-3");
}

TEST(MappingTest, PathsWithDotsLeadIntoObjectsAndLists) {
  const Json row = {{"q.text", "flat"},
                    {"extra", {{"answers", {"a", "b"}}}},
                    {"meta", {{"name", 17}}}};
  PromptMapping mapping;
  mapping.fields = {.prompt = "q.text",
                    .answer = "extra.answers.1",
                    .id = "meta.name",
                    .system = ""};
  const PromptRecord record = Map(mapping, row);
  EXPECT_EQ(record.prompt, "flat");
  EXPECT_EQ(record.answer, "b");
  EXPECT_EQ(record.id, "17");
  EXPECT_THAT(record.fields, UnorderedElementsAre(Key("extra"), Key("meta")));
}

TEST(MappingTest, AWrongKeyNamesTheKeysThatAreThere) {
  PromptMapping mapping;
  mapping.fields.prompt = "query";
  EXPECT_EQ(Refused(mapping, {{"question", "a"}, {"answer", "b"}}),
            "prompt: query is missing; the row has answer, question");
  mapping.fields = {.prompt = "question",
                    .answer = "reward_model.truth",
                    .id = "",
                    .system = ""};
  EXPECT_EQ(Refused(mapping, {{"question", "a"},
                              {"reward_model", {{"ground_truth", "b"}}}}),
            "answer: reward_model.truth is missing; reward_model has "
            "ground_truth");
  EXPECT_EQ(Refused({}, {{"text", "a"}}),
            "prompt: prompt is missing: the row has none of prompt, question, "
            "problem, input, messages, conversations; it has text; name its "
            "key in fields.prompt");
  EXPECT_THAT(Refused({}, {{"prompt", "a"}, {"output", "b"}}),
              HasSubstr("answer: answer is missing: the row has none of "
                        "answer, solution, target, ground_truth"));
}

TEST(MappingTest, ValuesOfAnotherTypeAndEmptyOnesAreRefused) {
  EXPECT_EQ(Refused({}, {{"prompt", 7}, {"answer", "b"}}),
            "prompt: prompt must be text or a list of turns, is number");
  EXPECT_EQ(Refused({}, {{"prompt", " \n"}, {"answer", "b"}}),
            "prompt: prompt must not be empty");
  EXPECT_EQ(Refused({}, {{"prompt", "a"}, {"answer", {1}}}),
            "answer: answer must be text or a number, is array");
  PromptMapping named;
  named.fields.answer = "answer";
  EXPECT_EQ(Refused(named, {{"prompt", "a"}, {"answer", nullptr}}),
            "answer: answer is null; the row has answer, prompt");
}

TEST(MappingTest, AnAnswerIsNeededOnlyByRewardsThatReadIt) {
  PromptMapping mapping;
  mapping.answer_required = false;
  EXPECT_EQ(Map(mapping, {{"prompt", "a"}}).answer, "");
  mapping.fields.answer = "answer";  // A key that is named has to be there.
  EXPECT_THAT(Refused(mapping, {{"prompt", "a"}}), HasSubstr("is missing"));
}

TEST(ExtractTest, TheAnswerIsTakenOutAndItsTextStaysAField) {
  const Json row = {{"question", "q"},
                    {"answer", "She has <<2+3=5>>5.\n#### 1,080\n"}};
  const PromptRecord record = Map(Preset("gsm8k"), row);
  EXPECT_EQ(record.answer, "1,080");
  EXPECT_THAT(record.fields, ElementsAre(Key("answer")));
  EXPECT_THAT(Refused(Preset("gsm8k"), {{"question", "q"}, {"answer", "5"}}),
              HasSubstr("answer: answer has nothing behind '####', is '5'"));
}

TEST(ExtractTest, TheLastBoxCountsWithItsBraces) {
  const Json row = {{"problem", "q"},
                    {"solution", "\\boxed{1} no: \\boxed{\\frac{1}{2}}."}};
  EXPECT_EQ(Map(Preset("math"), row).answer, "\\frac{1}{2}");
  EXPECT_THAT(Refused(Preset("math"), {{"problem", "q"}, {"solution", "7"}}),
              HasSubstr("has no \\boxed{}"));
}

TEST(ExtractTest, ARegularExpressionTakesItsFirstGroupOrTheMatch) {
  PromptMapping mapping;
  mapping.extract.regex = "is (\\d+)";
  EXPECT_EQ(Map(mapping, {{"prompt", "q"}, {"answer", "it is 12."}}).answer,
            "12");
  mapping.extract.regex = "\\d+";
  EXPECT_EQ(Map(mapping, {{"prompt", "q"}, {"answer", "it is 12."}}).answer,
            "12");
  EXPECT_THAT(Refused(mapping, {{"prompt", "q"}, {"answer", "none"}}),
              HasSubstr("does not match '\\d+'"));
  mapping.extract.regex = "(";
  EXPECT_THAT(PromptMapper::Create(mapping).status().ToString(),
              HasSubstr("must be a regular expression (RE2), got '('"));
  mapping.extract = {.after = "x", .boxed = true, .regex = ""};
  EXPECT_THAT(PromptMapper::Create(mapping).status().ToString(),
              HasSubstr("one of after, boxed and regex"));
}

TEST(ConversationTest, TheLastReplyIsTheReferenceIfThereIsNoAnswer) {
  const Json row = {{"messages",
                     {{{"role", "system"}, {"content", "Be terse."}},
                      {{"role", "user"}, {"content", "1+1?"}},
                      {{"role", "assistant"}, {"content", "2"}}}}};
  const PromptRecord record = Map(Preset("messages"), row);
  EXPECT_EQ(record.prompt, "1+1?");
  EXPECT_EQ(record.answer, "2");
  EXPECT_THAT(record.turns,
              ElementsAre(Turn{"system", "Be terse."}, Turn{"user", "1+1?"}));
  EXPECT_THAT(record.fields, IsEmpty());
}

TEST(ConversationTest, SeveralTurnsAreKeptAndShownAsATranscript) {
  const Json row = {{"conversations",
                     {{{"from", "human"}, {"value", "hi"}},
                      {{"from", "gpt"}, {"value", "hello"}},
                      {{"from", "human"}, {"value", "1+1?"}}}},
                    {"answer", 2}};
  const PromptRecord record = Map({}, row);
  EXPECT_EQ(record.prompt, "user: hi\n\nassistant: hello\n\nuser: 1+1?");
  EXPECT_EQ(record.turns.size(), 3u);
  EXPECT_EQ(record.turns[1], (Turn{"assistant", "hello"}));
  EXPECT_EQ(record.answer, "2");
}

TEST(ConversationTest, ContentMayComeInPartsOfText) {
  const Json row = {{"prompt",
                     {{{"role", "user"},
                       {"content", {{{"type", "text"}, {"text", "1+1?"}}}}}}},
                    {"answer", 2}};
  EXPECT_EQ(Map({}, row).prompt, "1+1?");
  const Json image = {
      {"prompt", {{{"role", "user"}, {"content", {{{"type", "image"}}}}}}},
      {"answer", 2}};
  EXPECT_THAT(Refused({}, image), HasSubstr("list of parts with text"));
}

TEST(ConversationTest, WhatIsNoConversationIsRefused) {
  const auto refused = [](const Json& turns) {
    return Refused({}, {{"messages", turns}, {"answer", "b"}});
  };
  EXPECT_THAT(refused(Json::array()),
              HasSubstr("must have a turn of the user"));
  EXPECT_THAT(refused({{{"role", "assistant"}, {"content", "x"}}}),
              HasSubstr("must have a turn of the user"));
  EXPECT_THAT(refused({{{"role", "tool"}, {"content", "x"}}}),
              HasSubstr("messages[0].role must be system, user or assistant, "
                        "is 'tool'"));
  EXPECT_THAT(refused({{{"role", "user"}}}),
              HasSubstr("messages[0] must have role and content, or from and "
                        "value; it has role"));
  EXPECT_THAT(refused({"x"}), HasSubstr("it is string"));
}

TEST(ConversationTest, ARowsSystemTextMakesAConversationOfAText) {
  PromptMapping mapping;
  mapping.fields.system = "system_prompt";
  const PromptRecord record =
      Map(mapping,
          {{"prompt", "1+1?"}, {"answer", 2}, {"system_prompt", "Be terse."}});
  EXPECT_EQ(record.prompt, "1+1?");
  EXPECT_THAT(record.turns,
              ElementsAre(Turn{"system", "Be terse."}, Turn{"user", "1+1?"}));
  EXPECT_THAT(Map(mapping, {{"prompt", "1+1?"}, {"answer", 2}}).turns,
              IsEmpty());
}

TEST(DataPresetTest, VerlAndTrlRowsAreRead) {
  const Json verl = {
      {"data_source", "x/y"},
      {"prompt", {{{"role", "user"}, {"content", "1+1?"}}}},
      {"reward_model", {{"style", "rule"}, {"ground_truth", "2"}}}};
  for (const char* name : {"verl", "dapo_math"}) {
    const PromptRecord record = Map(Preset(name), verl);
    EXPECT_EQ(record.prompt, "1+1?");
    EXPECT_EQ(record.answer, "2");
    EXPECT_THAT(record.fields,
                UnorderedElementsAre(Key("data_source"), Key("reward_model")));
  }
  EXPECT_EQ(Map(Preset("trl"), {{"prompt", "1+1?"}, {"solution", "2"}}).answer,
            "2");
}

}  // namespace
}  // namespace aha
