// The readers of rows, each in the file of its name; for the table of
// row_reader.cc only.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/char_stream.h"
#include "data/row_reader.h"

namespace aha {

// An object on each line; blank lines are skipped.
std::unique_ptr<RowReader> MakeJsonLinesRows(std::unique_ptr<CharStream> text);
// One array of objects.
std::unique_ptr<RowReader> MakeJsonArrayRows(std::unique_ptr<CharStream> text);
// RFC 4180 with a header row; every cell is text. Blank lines are skipped.
std::unique_ptr<RowReader> MakeCsvRows(std::unique_ptr<CharStream> text);

// The object that `text` holds.
absl::StatusOr<nlohmann::json> ParseRowObject(absl::string_view text);
// INVALID_ARGUMENT: a row of more than kMaxRowBytes.
absl::Status RowTooLong(absl::string_view what);

}  // namespace aha
