#include "reward_service/external/protocol.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status.h"
#include "base/text.h"
#include "nlohmann/json.hpp"

namespace aha::reward {
namespace {

using ProtocolJson = nlohmann::ordered_json;
using rewards::Outcome;

// At most `limit` bytes of the text, cut between characters, as valid UTF-8.
std::string CutText(absl::string_view text, size_t limit) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t next = end + ReadUtf8(text, end).size;
    if (next > limit) break;
    end = next;
  }
  return absl::StrCat(ReplaceMalformedUtf8(text.substr(0, end)),
                      end < text.size() ? "..." : "");
}

absl::Status NoReply(absl::string_view line, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "a line of its stdout ", why, ": '", CutText(line, 120), "'"));
}

// The outcomes that a program may give in place of a score.
absl::StatusOr<Outcome> OutcomeOf(const std::string& name) {
  for (const Outcome outcome : {Outcome::kUnparsable, Outcome::kTimeout,
                                Outcome::kCrash, Outcome::kLimit}) {
    if (name == rewards::OutcomeName(outcome)) return outcome;
  }
  return absl::InvalidArgumentError(
      "has another outcome than unparsable, timeout, crash or limit");
}

std::string TextOf(const ProtocolJson& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_string()) return "";
  return CutText(it->get_ref<const std::string&>(), kMaxEvidenceBytes);
}

absl::StatusOr<rewards::Verdict> VerdictOf(const ProtocolJson& json) {
  rewards::Verdict verdict;
  verdict.evidence = TextOf(json, "evidence");
  if (json.contains("error")) {
    verdict.outcome = Outcome::kInfraError;
    verdict.evidence = TextOf(json, "error");
    if (verdict.evidence.empty()) verdict.evidence = "it gave an error";
    // It becomes a part of one line that says why the job failed.
    std::replace_if(
        verdict.evidence.begin(), verdict.evidence.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return verdict;
  }
  if (const auto outcome = json.find("outcome"); outcome != json.end()) {
    if (!outcome->is_string()) {
      return absl::InvalidArgumentError("has an outcome that is not a text");
    }
    AHA_ASSIGN_OR_RETURN(verdict.outcome,
                         OutcomeOf(outcome->get<std::string>()));
    return verdict;
  }
  const auto score = json.find("score");
  if (score == json.end()) {
    return absl::InvalidArgumentError("has none of score, outcome and error");
  }
  if (score->is_null()) {
    verdict.outcome = Outcome::kNotApplicable;
    return verdict;
  }
  if (!score->is_number()) {
    return absl::InvalidArgumentError(
        "has a score that is neither a number nor null");
  }
  verdict.value = score->get<double>();
  if (!std::isfinite(verdict.value)) {
    return absl::InvalidArgumentError("has a score that is not finite");
  }
  return verdict;
}

// The text of a field, which is JSON, as a value.
ProtocolJson FieldValue(const std::string& text) {
  absl::StatusOr<ProtocolJson> value = ParseJson<ProtocolJson>(text);
  return value.ok() ? *std::move(value) : ProtocolJson(text);
}

}  // namespace

std::string RequestLine(uint64_t id, const Completion& completion,
                        uint64_t more) {
  ProtocolJson json;
  json["id"] = id;
  json["more"] = more;
  json["prompt"] = completion.prompt;
  if (!completion.turns.empty()) {
    ProtocolJson& messages = json["messages"];
    for (const v1::PromptTurn& turn : completion.turns) {
      messages.push_back({{"role", turn.role()}, {"content", turn.content()}});
    }
  }
  json["completion"] = completion.text;
  json["completion_ids"] = completion.token_ids;
  json["reference"] = completion.reference;
  json["truncated"] = completion.truncated;
  ProtocolJson& fields = json["fields"];
  fields = ProtocolJson::object();
  for (const auto& [name, text] : completion.fields) {
    fields[name] = FieldValue(text);
  }
  // Text from the wire is UTF-8 already; what is not does not end the process.
  return json.dump(-1, ' ', /*ensure_ascii=*/true,
                   ProtocolJson::error_handler_t::replace) +
         "\n";
}

absl::StatusOr<Reply> ParseReply(absl::string_view line) {
  const absl::StatusOr<ProtocolJson> json = ParseJson<ProtocolJson>(line);
  if (!json.ok()) return NoReply(line, "is not JSON");
  if (!json->is_object()) return NoReply(line, "is not a JSON object");
  const auto id = json->find("id");
  if (id == json->end() || !id->is_number_unsigned()) {
    return NoReply(line, "has no id of a request");
  }
  Reply reply = {.id = id->get<uint64_t>(), .verdict = {}};
  absl::StatusOr<rewards::Verdict> verdict = VerdictOf(*json);
  if (!verdict.ok()) return NoReply(line, verdict.status().message());
  reply.verdict = *std::move(verdict);
  return reply;
}

}  // namespace aha::reward
