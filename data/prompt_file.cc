// Implements data/prompt_file.h: TableBuilder takes one file after another.
#include "data/prompt_file.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "data/row_reader.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

// Calls `add` with every row. The file's own errors are prefixed with its name.
absl::Status ForEachRow(const std::string& name,
                        absl::StatusOr<std::unique_ptr<RowReader>> reader,
                        const std::function<absl::Status(const Row&)>& add) {
  const auto named = [&](const absl::Status& status) {
    const bool has_name = absl::StrContains(status.message(), name);
    return has_name ? status
                    : absl::Status(status.code(),
                                   absl::StrCat(name, ": ", status.message()));
  };
  if (!reader.ok()) return named(reader.status());
  while (true) {
    const absl::StatusOr<std::optional<Row>> row = (*reader)->Next();
    if (!row.ok()) return named(row.status());
    if (!row->has_value()) return absl::OkStatus();
    AHA_RETURN_IF_ERROR(add(**row));
  }
}

class TableBuilder {
 public:
  explicit TableBuilder(const PromptFileOptions& options) : options_(options) {}

  // `label` is put before the ids, if it is not empty.
  absl::Status AddFile(const std::string& name, const std::string& label,
                       absl::StatusOr<std::unique_ptr<RowReader>> reader) {
    AHA_ASSIGN_OR_RETURN(const std::unique_ptr<PromptMapper> mapper,
                         PromptMapper::Create(options_.mapping));
    ids_.clear();
    AHA_RETURN_IF_ERROR(
        ForEachRow(name, std::move(reader), [&](const Row& row) {
          return Add(absl::StrCat(name, row.place), label, row, *mapper);
        }));
    table_.report.used = mapper->used();
    return absl::OkStatus();
  }

  absl::StatusOr<PromptTable> Finish(absl::string_view name) {
    const LoadReport& report = table_.report;
    // An empty file is more likely a mistake than the wish for no prompts.
    if (report.rows == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": must have at least one row, is empty"));
    }
    if (table_.records.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": must have a usable row; all ", report.rows,
                       " were skipped, the first for: ",
                       report.skipped.begin()->second.first));
    }
    return std::move(table_);
  }

 private:
  absl::Status Add(std::string place, const std::string& label, const Row& row,
                   PromptMapper& mapper) {
    ++table_.report.rows;
    if (!row.value.ok()) {
      return Refuse(place,
                    {"malformed", std::string(row.value.status().message())});
    }
    MappedRow mapped = mapper.Map(*row.value, row.name);
    if (const BadRow* bad = std::get_if<BadRow>(&mapped)) {
      return Refuse(place, *bad);
    }
    PromptRecord& record = std::get<PromptRecord>(mapped);
    if (!ids_.insert(record.id).second) {
      return Refuse(place, {"id", absl::StrCat("id must be unique, '",
                                               record.id, "' came before")});
    }
    if (!label.empty()) record.id = absl::StrCat(label, ":", record.id);
    record.place = std::move(place);
    table_.records.push_back(std::move(record));
    return absl::OkStatus();
  }

  absl::Status Refuse(const std::string& place, const BadRow& bad) {
    const std::string text = absl::StrCat(place, ": ", bad.message);
    if (!options_.skip_bad_rows) return absl::InvalidArgumentError(text);
    SkippedRows& skipped = table_.report.skipped[std::string(bad.cause)];
    if (++skipped.count == 1) skipped.first = text;
    return absl::OkStatus();
  }

  const PromptFileOptions& options_;
  PromptTable table_;
  std::unordered_set<std::string> ids_;  // Of the present file.
};

absl::StatusOr<std::string> DocumentText(const nlohmann::json& row,
                                         const char* key) {
  const auto found = row.find(key);
  if (found == row.end()) {
    return absl::InvalidArgumentError(absl::StrCat(key, " is missing"));
  }
  if (!found->is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " must be text, is ", found->type_name()));
  }
  std::string text = found->get<std::string>();
  if (!absl::StripAsciiWhitespace(text).empty()) return text;
  return absl::InvalidArgumentError(absl::StrCat(key, " must not be empty"));
}

absl::StatusOr<Document> DocumentOf(const Row& row) {
  if (!row.value.ok()) return row.value.status();
  Document document;
  AHA_ASSIGN_OR_RETURN(document.prompt, DocumentText(*row.value, "prompt"));
  AHA_ASSIGN_OR_RETURN(document.completion,
                       DocumentText(*row.value, "completion"));
  return document;
}

absl::StatusOr<std::vector<Document>> ReadDocuments(
    const std::string& name,
    absl::StatusOr<std::unique_ptr<RowReader>> reader) {
  std::vector<Document> documents;
  AHA_RETURN_IF_ERROR(ForEachRow(name, std::move(reader), [&](const Row& row) {
    absl::StatusOr<Document> document = DocumentOf(row);
    if (!document.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, row.place, ": ", document.status().message()));
    }
    documents.push_back(*std::move(document));
    return absl::OkStatus();
  }));
  if (!documents.empty()) return documents;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": must have at least one row, is empty"));
}

absl::StatusOr<std::vector<std::string>> DataFilesIn(const std::string& path) {
  std::error_code error;
  std::vector<std::string> files;
  for (auto it = fs::directory_iterator(path, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename();
    if (absl::StartsWith(name, ".") || !HasDataExtension(name)) continue;
    if (it->is_regular_file(error)) files.push_back(it->path());
  }
  if (error) return FileError("cannot list", path, error.value());
  if (files.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": has no file with the extension of a data format "
        "(.jsonl, .ndjson, .json or .csv, also with .gz or .zst)"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

uint64_t LoadReport::skipped_rows() const {
  uint64_t count = 0;
  for (const auto& [cause, rows] : skipped) count += rows.count;
  return count;
}

absl::StatusOr<std::vector<DataFile>> ListDataFiles(
    const std::vector<std::string>& paths) {
  std::vector<DataFile> files;
  std::multiset<std::string> names;
  for (const std::string& path : paths) {
    std::error_code ignored;
    std::vector<std::string> found = {path};
    if (fs::is_directory(path, ignored)) {
      AHA_ASSIGN_OR_RETURN(found, DataFilesIn(path));
    }
    for (std::string& file : found) {
      names.insert(fs::path(file).filename());
      files.push_back({.path = std::move(file), .label = ""});
    }
  }
  for (DataFile& file : files) {
    const std::string name = fs::path(file.path).filename();
    file.label = names.count(name) == 1 ? name : file.path;
  }
  return files;
}

absl::StatusOr<PromptTable> LoadPrompts(const PromptFileOptions& options) {
  AHA_ASSIGN_OR_RETURN(const std::vector<DataFile> files,
                       ListDataFiles(options.paths));
  TableBuilder builder(options);
  uint64_t bytes = 0;
  for (const DataFile& file : files) {
    AHA_RETURN_IF_ERROR(
        builder.AddFile(file.path, files.size() > 1 ? file.label : "",
                        OpenRows(file.path, kMaxDataBytes, &bytes)));
  }
  return builder.Finish(options.paths.empty() ? "" : options.paths.front());
}

absl::StatusOr<PromptTable> ParsePrompts(absl::string_view name,
                                         absl::string_view bytes,
                                         const PromptFileOptions& options) {
  TableBuilder builder(options);
  AHA_RETURN_IF_ERROR(
      builder.AddFile(std::string(name), "", OpenRowsOf(bytes, name)));
  return builder.Finish(name);
}

absl::StatusOr<std::vector<Document>> LoadDocuments(const std::string& path) {
  uint64_t bytes = 0;
  return ReadDocuments(path, OpenRows(path, kMaxDataBytes, &bytes));
}

absl::StatusOr<std::vector<Document>> ParseDocuments(absl::string_view name,
                                                     absl::string_view bytes) {
  return ReadDocuments(std::string(name), OpenRowsOf(bytes, name));
}

}  // namespace aha
