// Implements data/jsonl.h: ForEachObject reads the lines, AddPrompt and
// AddDocument check the fields of one object.
#include "data/jsonl.h"

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;
constexpr size_t kMaxLineBytes = size_t{1} << 20;

absl::StatusOr<Json> ParseLine(absl::string_view line) {
  // The limit bounds the memory of the parser, which builds a tree of the line.
  if (line.size() > kMaxLineBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a line must have at most ", kMaxLineBytes, " bytes, has ",
                     line.size()));
  }
  AHA_ASSIGN_OR_RETURN(Json json, ParseJson<Json>(line));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a JSON object, is ", json.type_name()));
  }
  return json;
}

absl::StatusOr<std::string> TextField(const Json& json, const char* key,
                                      bool number_too) {
  const auto found = json.find(key);
  if (found == json.end()) {
    return absl::InvalidArgumentError(absl::StrCat(key, " is missing"));
  }
  if (found->is_string()) return found->get<std::string>();
  if (number_too && found->is_number()) return found->dump();
  return absl::InvalidArgumentError(
      absl::StrCat(key, " must be text", number_too ? " or a number" : "",
                   ", is ", found->type_name()));
}

absl::Status CheckNotEmpty(const char* key, const std::string& text) {
  if (!absl::StripAsciiWhitespace(text).empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(key, " must not be empty"));
}

// Calls `add` with every object and its line number. Errors name the file and
// the line.
absl::Status ForEachObject(
    absl::string_view name, absl::string_view text,
    const std::function<absl::Status(const Json&, int64_t)>& add) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // Byte-order mark.
  int64_t objects = 0;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const absl::string_view line =
        absl::StripAsciiWhitespace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    absl::StatusOr<Json> json = ParseLine(line);
    const absl::Status status = json.ok() ? add(*json, number) : json.status();
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ":", number, ": ", status.message()));
    }
    ++objects;
  }
  // An empty file is more likely a mistake than the wish for no prompts.
  if (objects == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": must have at least one line, is empty"));
  }
  return absl::OkStatus();
}

absl::Status AddPrompt(const Json& json, int64_t line,
                       std::unordered_set<std::string>& ids,
                       std::vector<PromptRecord>& records) {
  PromptRecord record;
  record.line = line;
  AHA_ASSIGN_OR_RETURN(record.prompt, TextField(json, "prompt", false));
  AHA_RETURN_IF_ERROR(CheckNotEmpty("prompt", record.prompt));
  AHA_ASSIGN_OR_RETURN(record.answer, TextField(json, "answer", true));
  AHA_RETURN_IF_ERROR(CheckNotEmpty("answer", record.answer));
  // Rollouts name a prompt by its id, so every prompt has one.
  record.id = absl::StrCat("line-", line);
  if (json.contains("id")) {
    AHA_ASSIGN_OR_RETURN(record.id, TextField(json, "id", true));
    AHA_RETURN_IF_ERROR(CheckNotEmpty("id", record.id));
  }
  if (!ids.insert(record.id).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("id must be unique, '", record.id, "' came before"));
  }
  for (const auto& [key, value] : json.items()) {
    if (key == "prompt" || key == "answer" || key == "id") continue;
    record.fields[key] = value.dump();
  }
  records.push_back(std::move(record));
  return absl::OkStatus();
}

absl::Status AddDocument(const Json& json, std::vector<Document>& documents) {
  Document document;
  AHA_ASSIGN_OR_RETURN(document.prompt, TextField(json, "prompt", false));
  AHA_RETURN_IF_ERROR(CheckNotEmpty("prompt", document.prompt));
  AHA_ASSIGN_OR_RETURN(document.completion,
                       TextField(json, "completion", false));
  AHA_RETURN_IF_ERROR(CheckNotEmpty("completion", document.completion));
  documents.push_back(std::move(document));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PromptRecord>> ParsePrompts(absl::string_view name,
                                                       absl::string_view text) {
  std::vector<PromptRecord> records;
  std::unordered_set<std::string> ids;
  AHA_RETURN_IF_ERROR(
      ForEachObject(name, text, [&](const Json& json, int64_t line) {
        return AddPrompt(json, line, ids, records);
      }));
  return records;
}

absl::StatusOr<std::vector<Document>> ParseDocuments(absl::string_view name,
                                                     absl::string_view text) {
  std::vector<Document> documents;
  AHA_RETURN_IF_ERROR(ForEachObject(name, text, [&](const Json& json, int64_t) {
    return AddDocument(json, documents);
  }));
  return documents;
}

absl::StatusOr<std::vector<PromptRecord>> LoadPrompts(const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(path, kMaxFileBytes));
  return ParsePrompts(path, text);
}

absl::StatusOr<std::vector<Document>> LoadDocuments(const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(path, kMaxFileBytes));
  return ParseDocuments(path, text);
}

}  // namespace aha
