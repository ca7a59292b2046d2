#include "text/chat_template.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"
#include "text/tokenizer_bytes.h"

namespace aha {

struct ChatTemplate::Parsed {
  jinja::Body body;
  nlohmann::ordered_json special_tokens;
};

namespace {

using Json = nlohmann::ordered_json;

constexpr absl::string_view kThink = "<think>";

// What stands for an answer where only what follows it is of interest.
constexpr char kAnswer[] = "7355608";

// The variables that the caller adds.
absl::StatusOr<Json> ParseVariables(absl::string_view text) {
  if (text.empty()) return Json::object();
  Json json = Json::parse(text, nullptr, false);
  if (json.is_object()) return json;
  return absl::InvalidArgumentError(absl::StrCat(
      "the variables of a chat template must be a JSON object, got ",
      Quote(text)));
}

// Takes the date of strftime_now out of the variables.
absl::StatusOr<std::optional<absl::CivilSecond>> TakeDate(Json* variables) {
  const auto date = variables->find("strftime_now");
  if (date == variables->end()) return std::nullopt;
  absl::CivilDay day;
  const bool valid = date->is_string() &&
                     absl::ParseCivilTime(date->get<std::string>(), &day) &&
                     day.year() >= 1000 && day.year() <= 9999;
  if (!valid) {
    return absl::InvalidArgumentError(absl::StrCat(
        "strftime_now, a variable of the chat template, must be a date such as "
        "\"2026-11-30\", got ",
        date->is_string() ? Quote(date->get_ref<const std::string&>())
                          : date->type_name()));
  }
  variables->erase(date);
  return absl::CivilSecond(day);
}

absl::StatusOr<Json> MessagesJson(absl::Span<const ChatMessage> messages) {
  if (messages.empty()) {
    return absl::InvalidArgumentError(
        "messages must not be empty, got 0 messages");
  }
  Json json = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (message.role.empty() ||
        message.role.find_first_of(" \t\r\n<|>") != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("messages[", i, "].role must be a word such as system, ",
                       "user or assistant, got ", Quote(message.role)));
    }
    json.push_back({{"role", message.role}, {"content", message.content}});
  }
  return json;
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(absl::string_view jinja,
                                                 const Json& special_tokens) {
  AHA_ASSIGN_OR_RETURN(jinja::Body body, jinja::ParseTemplate(jinja));
  ChatTemplate chat;
  chat.parsed_ =
      std::make_shared<const Parsed>(Parsed{std::move(body), special_tokens});
  return chat;
}

absl::StatusOr<std::string> ChatTemplate::Render(
    const Json& variables, std::optional<absl::CivilSecond> now) const {
  return jinja::Execute(parsed_->body, variables, now, {});
}

absl::StatusOr<std::string> ChatTemplate::Apply(
    absl::Span<const ChatMessage> messages, const ChatOptions& options) const {
  Json variables = parsed_->special_tokens;
  AHA_ASSIGN_OR_RETURN(variables["messages"], MessagesJson(messages));
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  AHA_ASSIGN_OR_RETURN(Json added, ParseVariables(options.variables));
  AHA_ASSIGN_OR_RETURN(const auto now, TakeDate(&added));
  for (auto& [name, value] : added.items()) variables[name] = std::move(value);
  variables["add_generation_prompt"] = options.generation_prompt;
  return Render(variables, now);
}

absl::StatusOr<std::string> ChatTemplate::Opening(
    absl::Span<const ChatMessage> messages, const ChatOptions& options) const {
  ChatOptions with = options, without = options;
  with.generation_prompt = true;
  without.generation_prompt = false;
  AHA_ASSIGN_OR_RETURN(const std::string prompt, Apply(messages, with));
  if (!absl::StrContains(prompt, kThink)) return "";
  AHA_ASSIGN_OR_RETURN(const std::string rest, Apply(messages, without));
  const size_t shared = static_cast<size_t>(
      std::mismatch(prompt.begin(), prompt.end(), rest.begin(), rest.end())
          .first -
      prompt.begin());
  // A tag may begin in what both have, as "<" is in "<think>" and "<eos>".
  const size_t from = shared < kThink.size() ? 0 : shared - (kThink.size() - 1);
  const size_t begin = absl::string_view(prompt).find(kThink, from);
  return begin == std::string::npos ? "" : prompt.substr(begin);
}

std::string ChatTemplate::AfterAnswer() const {
  const ChatMessage messages[] = {{"user", "?"}, {"assistant", kAnswer}};
  const absl::StatusOr<std::string> text =
      Apply(messages, {.generation_prompt = false});
  if (!text.ok()) return "";
  const size_t at = text->rfind(kAnswer);
  if (at == std::string::npos) return "";
  return text->substr(at + absl::string_view(kAnswer).size());
}

}  // namespace aha
