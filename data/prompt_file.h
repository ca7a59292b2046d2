// Loads the prompts and the documents of data files: JSON Lines, arrays of JSON
// objects and CSV, each also compressed with gzip or Zstandard
// (data/row_reader.h says how a format is found).
//
// Every error names the file and the line: "prompts.jsonl:7: answer is
// missing". What is loaded stays in memory: all files together may have 1 GiB
// when decompressed, and a row 1 MiB. All functions are reentrant.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/corpus.h"
#include "data/prompt_mapping.h"

namespace aha {

// All files of a data set together, when decompressed.
inline constexpr uint64_t kMaxDataBytes = uint64_t{1} << 30;

// One file of a data set.
struct DataFile {
  std::string path;
  std::string label;  // The shortest name that tells it from the others.
};
// The files that the paths stand for, in the order in which they are read: a
// file is itself, a directory the files in it that have the extension of a
// format (data/row_reader.h), by name, without hidden ones and subdirectories.
// NOT_FOUND for a path that is not there; INVALID_ARGUMENT for a directory
// without data.
absl::StatusOr<std::vector<DataFile>> ListDataFiles(
    const std::vector<std::string>& paths);

struct PromptFileOptions {
  std::vector<std::string> paths;  // Files and directories.
  PromptMapping mapping;
  // A row that is no prompt is counted and left out, instead of an error.
  bool skip_bad_rows = false;
};

// Rows that were left out for the same cause.
struct SkippedRows {
  uint64_t count = 0;
  std::string first;  // "train.jsonl:7: answer is missing"
};

struct LoadReport {
  uint64_t rows = 0;  // All of them, also those that were skipped.
  std::map<std::string, SkippedRows> skipped;  // By BadRow::cause.
  PromptFields used;  // The paths that the last file was read with.

  uint64_t skipped_rows() const;
};

struct PromptTable {
  std::vector<PromptRecord> records;  // At least one.
  LoadReport report;
};

// Returns NOT_FOUND if a file is not there, and INVALID_ARGUMENT if one cannot
// be read, the files have no prompt, or, without skip_bad_rows, a row is none.
absl::StatusOr<PromptTable> LoadPrompts(const PromptFileOptions& options);
// The same for a file in memory called `name`; options.paths is not used.
absl::StatusOr<PromptTable> ParsePrompts(absl::string_view name,
                                         absl::string_view bytes,
                                         const PromptFileOptions& options);

// Rows of {"prompt": text, "completion": text}; other keys are ignored.
absl::StatusOr<std::vector<Document>> LoadDocuments(const std::string& path);
absl::StatusOr<std::vector<Document>> ParseDocuments(absl::string_view name,
                                                     absl::string_view bytes);

}  // namespace aha
