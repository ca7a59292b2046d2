// Reads JSON Lines files of prompts and of documents.
//
// Every error names the file and the line: "prompts.jsonl:7: answer is
// missing". Blank lines are skipped. Keys that a line of prompts has beyond
// those below are kept for the verifiers; those of a line of documents are
// ignored. A file may have 1 GiB and a line 1 MiB. All functions are reentrant.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/corpus.h"

namespace aha {

// {"prompt": text, "answer": text or number, "id": text or number, optional}.
struct PromptRecord {
  int64_t line = 0;
  std::string id;  // Unique in the file; "line-7" if the line has none.
  std::string prompt;
  std::string answer;
  std::map<std::string, std::string> fields;  // Further keys, as JSON text.
};

// Returns NOT_FOUND if there is no such file, and INVALID_ARGUMENT if it is
// empty, too large or has a malformed line.
absl::StatusOr<std::vector<PromptRecord>> LoadPrompts(const std::string& path);
// `name` is the file's name in errors.
absl::StatusOr<std::vector<PromptRecord>> ParsePrompts(absl::string_view name,
                                                       absl::string_view text);

// {"prompt": text, "completion": text}.
absl::StatusOr<std::vector<Document>> LoadDocuments(const std::string& path);
absl::StatusOr<std::vector<Document>> ParseDocuments(absl::string_view name,
                                                     absl::string_view text);

}  // namespace aha
