// The rows of a data file as JSON objects, one after another, whatever the
// format of the file is. data/prompt_file.h makes prompts of them.
//
// A new format is a file <name>_rows.cc with a RowReader, its declaration in
// row_formats.h and its line in the table of row_reader.cc.
//
// Reading holds one row, of at most 1 MiB, and a few buffers.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nlohmann/json.hpp"

namespace aha {

// Longest row: a line, an object of an array, a record of a table.
inline constexpr size_t kMaxRowBytes = size_t{1} << 20;

struct Row {
  // Where it stands, to be put behind the name of the file: ":7" in JSON Lines,
  // ":9: row 7" where rows and lines differ.
  std::string place;
  // A name that no other row of the file has: "line-7" or "row-7".
  std::string name;
  // An object, or what is wrong with this row; the reader goes on behind it.
  absl::StatusOr<nlohmann::json> value;
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  // The next row; nothing at the end. An error ends the file: it cannot be
  // read, or what follows cannot be told apart into rows.
  virtual absl::StatusOr<std::optional<Row>> Next() = 0;
};

class CharStream;

struct RowFormat {
  absl::string_view name;  // "JSON Lines"
  // With the dot, in lower case, without ".gz" or ".zst".
  std::vector<absl::string_view> extensions;
  std::unique_ptr<RowReader> (*make)(std::unique_ptr<CharStream> text);
};
// The table.
absl::Span<const RowFormat> RowFormats();

// Opens a file by its extension and its first bytes. Adds the bytes that come
// out of it to *bytes_read and refuses to go beyond `limit` of them. NOT_FOUND
// if there is no such file; INVALID_ARGUMENT for a format that is not read,
// with what to do; no error but those of the file system names the file.
absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(const std::string& path,
                                                    uint64_t limit,
                                                    uint64_t* bytes_read);
// The same for bytes in memory, which must outlive the reader; `name` stands
// for the path.
absl::StatusOr<std::unique_ptr<RowReader>> OpenRowsOf(absl::string_view bytes,
                                                      absl::string_view name);

// Whether a directory's file of this name is read as data: its extension is
// that of a format, or one that OpenRows refuses with advice.
bool HasDataExtension(absl::string_view name);

}  // namespace aha
