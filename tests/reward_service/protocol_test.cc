// The lines that are exchanged with a program of the user's.
#include "reward_service/external/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"

namespace aha::reward {
namespace {

using rewards::Outcome;
using ::testing::HasSubstr;

TEST(ProtocolTest, ARequestHasWhatIsKnownOfTheCompletion) {
  Completion completion = {
      .prompt = "1+1=\n\"",
      .reference = "2",
      .fields = {{"source", "\"sums\""}, {"tests", "[1, {\"in\": \"x\\n\"}]"}},
      .text = "It is 2.",
      .truncated = true,
      .token_ids = {5, 1}};
  const std::string line = RequestLine(7, completion, 3);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
  EXPECT_EQ(nlohmann::json::parse(line),
            nlohmann::json::parse(R"({"id": 7, "more": 3,
      "prompt": "1+1=\n\"", "completion": "It is 2.",
      "completion_ids": [5, 1], "reference": "2", "truncated": true,
      "fields": {"source": "sums", "tests": [1, {"in": "x\n"}]}})"));
}

TEST(ProtocolTest, AConversationIsAListOfMessages) {
  Completion completion = {.prompt = "user: hi", .reference = "", .text = "ho"};
  completion.turns.emplace_back().set_role("user");
  completion.turns.back().set_content("hi");
  EXPECT_EQ(nlohmann::json::parse(RequestLine(1, completion, 0))["messages"],
            nlohmann::json::parse(R"([{"role": "user", "content": "hi"}])"));
}

TEST(ProtocolTest, FieldsAndTextThatAreMalformedDoNotBreakTheLine) {
  const Completion completion = {.prompt = "\xff",
                                 .reference = "",
                                 .fields = {{"broken", "{\n"}},
                                 .text = "\xc3"};
  const std::string line = RequestLine(1, completion, 0);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST(ProtocolTest, AReplyIsAScoreAnOutcomeOrAnError) {
  const auto score = ParseReply(R"({"id": 7, "score": 0.5, "evidence": "e"})");
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_EQ(score->id, 7u);
  EXPECT_EQ(score->verdict.outcome, Outcome::kScore);
  EXPECT_EQ(score->verdict.value, .5);
  EXPECT_EQ(score->verdict.evidence, "e");
  EXPECT_EQ(ParseReply(R"({"id":1,"score":null})")->verdict.outcome,
            Outcome::kNotApplicable);
  EXPECT_EQ(ParseReply(R"({"id":1,"outcome":"limit"})")->verdict.outcome,
            Outcome::kLimit);
  const auto error = ParseReply(R"({"id":1,"error":"it broke"})");
  EXPECT_EQ(error->verdict.outcome, Outcome::kInfraError);
  EXPECT_EQ(error->verdict.evidence, "it broke");
  EXPECT_EQ(ParseReply(R"({"id":1,"error":"a\nb"})")->verdict.evidence, "a b")
      << "one line";
}

TEST(ProtocolTest, WhatIsNoReplyIsRefusedWithTheReason) {
  const auto why = [](const std::string& line) {
    const auto reply = ParseReply(line);
    EXPECT_TRUE(absl::IsInvalidArgument(reply.status())) << line;
    return std::string(reply.status().message());
  };
  EXPECT_THAT(why("loading the model"), HasSubstr("is not JSON"));
  EXPECT_THAT(why(R"({"id":1,"score":NaN})"), HasSubstr("is not JSON"));
  EXPECT_THAT(why("[1]"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(why(R"({"score":1})"), HasSubstr("has no id"));
  EXPECT_THAT(why(R"({"id":-1,"score":1})"), HasSubstr("has no id"));
  EXPECT_THAT(why(R"({"id":"1","score":1})"), HasSubstr("has no id"));
  EXPECT_THAT(why(R"({"id":1})"), HasSubstr("none of score"));
  EXPECT_THAT(why(R"({"id":1,"score":true})"), HasSubstr("neither a number"));
  EXPECT_THAT(why(R"({"id":1,"outcome":"score"})"),
              HasSubstr("another outcome"));
  EXPECT_THAT(why(R"({"id":1,"outcome":1})"), HasSubstr("not a text"));
}

TEST(ProtocolTest, EvidenceIsCutAndIsValidUtf8) {
  const std::string long_text(kMaxEvidenceBytes + 100, 'x');
  const auto reply =
      ParseReply(R"({"id":1,"score":1,"evidence":")" + long_text + "\"}");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->verdict.evidence.size(), kMaxEvidenceBytes + 3);
}

}  // namespace
}  // namespace aha::reward
