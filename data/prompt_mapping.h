// Makes a prompt of a row: which keys hold the text and the reference answer,
// and how the answer is taken out of its text.
//
//   PromptMapping mapping;
//   mapping.fields.answer = "reward_model.ground_truth";
//   auto mapper = PromptMapper::Create(mapping);
//   MappedRow row = (*mapper)->Map(object, "line-7");
//
// A key is a path with dots ("reward_model.ground_truth"); at each level a key
// that is called like the rest of the path, dots and all, comes first, and a
// number is an index of a list. null is as if the key were not there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

// One turn of a conversation.
struct Turn {
  std::string role;  // "system", "user" or "assistant".
  std::string content;

  friend bool operator==(const Turn&, const Turn&) = default;
};

// Paths of keys; an empty one is found by name or, for `system`, not used.
struct PromptFields {
  std::string prompt;
  std::string answer;
  std::string id;
  std::string system;
};

// The names that stand for an empty path, the first that a file's first row
// has.
absl::Span<const absl::string_view> PromptNames();
absl::Span<const absl::string_view> AnswerNames();

// How the reference is taken out of the answer's text; at most one is set, and
// none leaves the text as it is. White space around the result is dropped.
struct AnswerExtract {
  std::string after;   // What follows the last occurrence, in the same line.
  bool boxed = false;  // What the last \boxed{} holds.
  std::string regex;   // RE2: its first group in the first match, or the match.

  bool any() const { return !after.empty() || boxed || !regex.empty(); }
};

struct PromptMapping {
  PromptFields fields;
  AnswerExtract extract;
  // Without it, a row of a file whose first row has none of AnswerNames() gets
  // the reference "".
  bool answer_required = true;
};

struct PromptRecord {
  std::string place;  // "train.jsonl:7", for messages.
  std::string id;     // Unique among the prompts that are loaded together.
  // The text as the user wrote it; of several turns, a transcript of all but
  // the system text.
  std::string prompt;
  std::string answer;
  // What the chat template gets; empty for a plain text, which the job's format
  // and system text apply to. The last turn is the user's.
  std::vector<Turn> turns;
  // The row's further keys, as JSON text. The answer is among them if the
  // reference was extracted from it.
  std::map<std::string, std::string> fields;
};

// Why a row is no prompt.
struct BadRow {
  // For counting: "malformed", "prompt", "answer", "id".
  absl::string_view cause;
  std::string message;  // The field, the rule and the value.
};
using MappedRow = std::variant<PromptRecord, BadRow>;

// Thread-compatible: the first row that is mapped decides which of the names
// are used.
class PromptMapper {
 public:
  // INVALID_ARGUMENT for an extraction that is not one, such as a regular
  // expression that RE2 refuses.
  static absl::StatusOr<std::unique_ptr<PromptMapper>> Create(
      const PromptMapping& mapping);
  virtual ~PromptMapper() = default;

  // `name` becomes the id of a row that has none. `place` is left empty.
  // REQUIRES: row is an object.
  virtual MappedRow Map(const nlohmann::json& row, absl::string_view name) = 0;
  // The paths in use; those that are not decided yet, or not there, are empty.
  virtual PromptFields used() const = 0;
};

}  // namespace aha
