// Implements data/prompt_mapping.h. FieldAt walks a path, ReadTurns reads a
// conversation, Extractor takes the answer out.
#include "data/prompt_mapping.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/text.h"
#include "nlohmann/json.hpp"
#include "re2/re2.h"
#include "rewards/extract.h"

namespace aha {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kPromptNames[] = {
    "prompt", "question", "problem", "input", "messages", "conversations"};
constexpr absl::string_view kAnswerNames[] = {"answer", "solution", "target",
                                              "ground_truth",
                                              "reward_model.ground_truth"};

// The beginning of a text, in quotes, for a message.
std::string Shown(absl::string_view text) {
  constexpr size_t kMost = 60;
  size_t end = 0;
  while (end < text.size() && end < kMost) end += ReadUtf8(text, end).size;
  return absl::StrCat("'", ReplaceMalformedUtf8(text.substr(0, end)),
                      end < text.size() ? "...'" : "'");
}

// "question, answer": the keys that an object has.
std::string KeysOf(const Json& object) {
  constexpr size_t kMost = 20;
  if (!object.is_object()) return absl::StrCat("is ", object.type_name());
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    if (keys.size() == kMost) {
      keys.push_back("...");
      break;
    }
    keys.push_back(key);
  }
  return keys.empty() ? "has no keys"
                      : absl::StrCat("has ", absl::StrJoin(keys, ", "));
}

// Null if the path leads nowhere; then *missing, if it is not null, says where
// it ends and which keys are there.
const Json* FieldAt(const Json& row, absl::string_view path,
                    std::string* missing) {
  const Json* at = &row;
  absl::string_view rest = path;
  while (true) {
    const Json* next = nullptr;
    size_t length = rest.size();
    if (at->is_object() && at->contains(std::string(rest))) {
      next = &(*at)[std::string(rest)];
    } else {
      length = std::min(rest.find('.'), rest.size());
      const std::string key(rest.substr(0, length));
      uint32_t index = 0;
      if (at->is_object() && at->contains(key)) {
        next = &(*at)[key];
      } else if (at->is_array() && absl::SimpleAtoi(key, &index) &&
                 index < at->size()) {
        next = &(*at)[index];
      }
    }
    if (next == nullptr || next->is_null()) {
      if (missing != nullptr) {
        const absl::string_view before =
            path.substr(0, path.size() - rest.size());
        *missing = absl::StrCat(
            path, next == nullptr ? " is missing; " : " is null; ",
            before.empty() ? "the row" : before.substr(0, before.size() - 1),
            " ", KeysOf(*at));
      }
      return nullptr;
    }
    at = next;
    if (length == rest.size()) return at;
    rest.remove_prefix(length + 1);
  }
}

absl::StatusOr<std::string> TextOf(const Json& value, absl::string_view name,
                                   bool number_too) {
  std::string text;
  if (value.is_string()) {
    text = value.get<std::string>();
  } else if (number_too && value.is_number()) {
    text = value.dump();
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " must be text", number_too ? " or a number" : "",
                     ", is ", value.type_name()));
  }
  if (!absl::StripAsciiWhitespace(text).empty()) return text;
  return absl::InvalidArgumentError(absl::StrCat(name, " must not be empty"));
}

// The names of roles in ShareGPT's form of conversations.
absl::string_view RoleOf(absl::string_view name) {
  if (name == "human") return "user";
  if (name == "gpt") return "assistant";
  return name;
}

// A text, or a list of parts of type text.
absl::StatusOr<std::string> ContentOf(const Json& content,
                                      const std::string& name) {
  if (!content.is_array()) return TextOf(content, name, false);
  std::string text;
  for (const Json& part : content) {
    const auto found = part.is_object() ? part.find("text") : part.end();
    if (!part.is_object() || found == part.end() || !found->is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " must be text or a list of parts with text; a part ",
          KeysOf(part)));
    }
    text += found->get<std::string>();
  }
  return TextOf(text, name, false);
}

// [{"role": ..., "content": ...}] or [{"from": ..., "value": ...}].
absl::StatusOr<std::vector<Turn>> ReadTurns(const Json& list,
                                            absl::string_view path) {
  std::vector<Turn> turns;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string name = absl::StrCat(path, "[", i, "]");
    const Json& item = list[i];
    const bool named = item.is_object() && item.contains("role");
    const char* const role_key = named ? "role" : "from";
    const char* const content_key = named ? "content" : "value";
    if (!item.is_object() || !item.contains(role_key) ||
        !item.contains(content_key) || !item[role_key].is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " must have role and content, or from and value; it ",
          KeysOf(item)));
    }
    Turn turn;
    turn.role =
        std::string(RoleOf(item[role_key].get_ref<const std::string&>()));
    if (turn.role != "system" && turn.role != "user" &&
        turn.role != "assistant") {
      return absl::InvalidArgumentError(absl::StrCat(
          name, ".", role_key, " must be system, user or assistant, is ",
          Shown(turn.role)));
    }
    AHA_ASSIGN_OR_RETURN(
        turn.content,
        ContentOf(item[content_key], absl::StrCat(name, ".", content_key)));
    turns.push_back(std::move(turn));
  }
  return turns;
}

// The conversation as one text, without the system text.
std::string Transcript(const std::vector<Turn>& turns) {
  std::vector<const Turn*> spoken;
  for (const Turn& turn : turns) {
    if (turn.role != "system") spoken.push_back(&turn);
  }
  if (spoken.size() == 1) return spoken[0]->content;
  return absl::StrJoin(spoken, "\n\n", [](std::string* out, const Turn* turn) {
    absl::StrAppend(out, turn->role, ": ", turn->content);
  });
}

class Extractor {
 public:
  explicit Extractor(const AnswerExtract& extract) : extract_(extract) {}

  absl::Status Prepare() {
    const int set =
        !extract_.after.empty() + extract_.boxed + !extract_.regex.empty();
    if (set > 1) {
      return absl::InvalidArgumentError(
          "extract must have one of after, boxed and regex");
    }
    if (extract_.regex.empty()) return absl::OkStatus();
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(8 << 20);
    regex_ = std::make_unique<RE2>(extract_.regex, options);
    if (regex_->ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("extract.regex must be a regular expression (RE2), got ",
                     Shown(extract_.regex), ": ", regex_->error()));
  }

  bool any() const { return extract_.any(); }

  // Nothing if the text has not what is looked for.
  std::optional<std::string> Take(absl::string_view text) const {
    absl::string_view found = text;
    if (!extract_.after.empty()) {
      const size_t at = text.rfind(extract_.after);
      if (at == absl::string_view::npos) return std::nullopt;
      found = text.substr(at + extract_.after.size());
      found = found.substr(0, std::min(found.find('\n'), found.size()));
    } else if (extract_.boxed) {
      const auto box = rewards::LastBox(text);
      if (!box) return std::nullopt;
      found = *box;
    } else if (regex_ != nullptr) {
      re2::StringPiece groups[2];
      const int wanted = regex_->NumberOfCapturingGroups() > 0 ? 2 : 1;
      if (!regex_->Match({text.data(), text.size()}, 0, text.size(),
                         RE2::UNANCHORED, groups, wanted)) {
        return std::nullopt;
      }
      const re2::StringPiece& group = groups[wanted - 1];
      found = absl::string_view(group.data(), group.size());
    }
    found = absl::StripAsciiWhitespace(found);
    if (found.empty()) return std::nullopt;
    return std::string(found);
  }

  // "has no '####'".
  std::string Missing() const {
    if (!extract_.after.empty()) {
      return absl::StrCat("has nothing behind ", Shown(extract_.after));
    }
    if (extract_.boxed) return "has no \\boxed{} with something in it";
    return absl::StrCat("does not match ", Shown(extract_.regex));
  }

 private:
  const AnswerExtract extract_;
  std::unique_ptr<RE2> regex_;
};

class Mapper final : public PromptMapper {
 public:
  explicit Mapper(const PromptMapping& mapping)
      : mapping_(mapping), used_(mapping.fields), extractor_(mapping.extract) {}
  absl::Status Prepare() { return extractor_.Prepare(); }

  MappedRow Map(const Json& row, absl::string_view name) override {
    if (!decided_) {
      if (const auto bad = Decide(row)) return *bad;
    }
    PromptRecord record;
    std::string last_reply;
    if (const auto status = ReadPrompt(row, &record, &last_reply);
        !status.ok()) {
      return BadRow{"prompt", std::string(status.message())};
    }
    if (const auto status = ReadAnswer(row, last_reply, &record);
        !status.ok()) {
      return BadRow{"answer", std::string(status.message())};
    }
    record.id = std::string(name);
    if (!used_.id.empty()) {
      if (const auto status = ReadId(row, &record); !status.ok()) {
        return BadRow{"id", std::string(status.message())};
      }
    }
    KeepFields(row, &record);
    return record;
  }

  PromptFields used() const override { return used_; }

 private:
  // Finds the names that are not given in the first row.
  std::optional<BadRow> Decide(const Json& row) {
    const auto find = [&](absl::Span<const absl::string_view> names) {
      for (const absl::string_view name : names) {
        if (FieldAt(row, name, nullptr) != nullptr) return std::string(name);
      }
      return std::string();
    };
    if (used_.prompt.empty()) {
      std::string found = find(kPromptNames);
      if (found.empty()) {
        return BadRow{
            "prompt",
            absl::StrCat("prompt is missing: the row has none of ",
                         absl::StrJoin(kPromptNames, ", "), "; it ",
                         KeysOf(row), "; name its key in fields.prompt")};
      }
      used_.prompt = std::move(found);
    }
    if (used_.answer.empty()) used_.answer = find(kAnswerNames);
    if (used_.id.empty() && FieldAt(row, "id", nullptr) != nullptr) {
      used_.id = "id";
    }
    decided_ = true;
    return std::nullopt;
  }

  absl::Status ReadPrompt(const Json& row, PromptRecord* record,
                          std::string* last_reply) const {
    std::string missing;
    const Json* const value = FieldAt(row, used_.prompt, &missing);
    if (value == nullptr) return absl::InvalidArgumentError(missing);
    if (value->is_array()) {
      AHA_ASSIGN_OR_RETURN(record->turns, ReadTurns(*value, used_.prompt));
      // What the assistant says at the end is what the model is to learn.
      while (!record->turns.empty() &&
             record->turns.back().role == "assistant") {
        *last_reply = std::move(record->turns.back().content);
        record->turns.pop_back();
      }
      if (record->turns.empty() || record->turns.back().role != "user") {
        return absl::InvalidArgumentError(
            absl::StrCat(used_.prompt, " must have a turn of the user before ",
                         "the assistant's reply"));
      }
      record->prompt = Transcript(record->turns);
    } else if (value->is_string()) {
      AHA_ASSIGN_OR_RETURN(record->prompt, TextOf(*value, used_.prompt, false));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(used_.prompt, " must be text or a list of turns, is ",
                       value->type_name()));
    }
    return AddSystem(row, record);
  }

  // A row's own system text makes a conversation of a plain text, and comes
  // before one that the conversation has.
  absl::Status AddSystem(const Json& row, PromptRecord* record) const {
    if (used_.system.empty()) return absl::OkStatus();
    std::string missing;
    const Json* const value = FieldAt(row, used_.system, &missing);
    if (value == nullptr) return absl::OkStatus();
    if (value->is_string() && value->get_ref<const std::string&>().empty()) {
      return absl::OkStatus();
    }
    AHA_ASSIGN_OR_RETURN(std::string system,
                         TextOf(*value, used_.system, false));
    std::vector<Turn>& turns = record->turns;
    if (turns.empty()) turns.push_back({"user", record->prompt});
    if (turns.front().role == "system") turns.erase(turns.begin());
    turns.insert(turns.begin(), {"system", std::move(system)});
    return absl::OkStatus();
  }

  absl::Status ReadAnswer(const Json& row, const std::string& last_reply,
                          PromptRecord* record) const {
    std::string missing;
    const Json* const value =
        used_.answer.empty() ? nullptr : FieldAt(row, used_.answer, &missing);
    const std::string name =
        used_.answer.empty() ? "the assistant's last turn" : used_.answer;
    if (value != nullptr) {
      AHA_ASSIGN_OR_RETURN(record->answer, TextOf(*value, name, true));
    } else if (used_.answer.empty() && !last_reply.empty()) {
      record->answer = last_reply;
    } else if (!mapping_.answer_required && mapping_.fields.answer.empty()) {
      return absl::OkStatus();
    } else if (used_.answer.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("answer is missing: the row has none of ",
                       absl::StrJoin(kAnswerNames, ", "), "; it ", KeysOf(row),
                       "; name its key in fields.answer"));
    } else {
      return absl::InvalidArgumentError(missing);
    }
    if (!extractor_.any()) return absl::OkStatus();
    std::optional<std::string> taken = extractor_.Take(record->answer);
    if (!taken) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " ", extractor_.Missing(), ", is ", Shown(record->answer)));
    }
    record->answer = *std::move(taken);
    return absl::OkStatus();
  }

  absl::Status ReadId(const Json& row, PromptRecord* record) const {
    std::string missing;
    const Json* const value = FieldAt(row, used_.id, &missing);
    // An id that was found by name is not needed in every row.
    if (value == nullptr && mapping_.fields.id.empty()) return absl::OkStatus();
    if (value == nullptr) return absl::InvalidArgumentError(missing);
    AHA_ASSIGN_OR_RETURN(record->id, TextOf(*value, used_.id, true));
    return absl::OkStatus();
  }

  void KeepFields(const Json& row, PromptRecord* record) const {
    for (const auto& [key, value] : row.items()) {
      if (key == used_.prompt || key == used_.id) continue;
      if (key == used_.answer && !extractor_.any()) continue;
      record->fields[key] = value.dump();
    }
  }

  const PromptMapping mapping_;
  PromptFields used_;
  Extractor extractor_;
  bool decided_ = false;
};

}  // namespace

absl::Span<const absl::string_view> PromptNames() { return kPromptNames; }
absl::Span<const absl::string_view> AnswerNames() { return kAnswerNames; }

absl::StatusOr<std::unique_ptr<PromptMapper>> PromptMapper::Create(
    const PromptMapping& mapping) {
  auto mapper = std::make_unique<Mapper>(mapping);
  AHA_RETURN_IF_ERROR(mapper->Prepare());
  return mapper;
}

}  // namespace aha
