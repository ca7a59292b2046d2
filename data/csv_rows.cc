// Comma-separated values as RFC 4180 has them: quoted cells may hold commas,
// quotes (doubled) and line breaks; lines end with LF or CRLF; the first row
// names the columns. A quote inside a cell that does not begin with one is
// itself, as spreadsheets read it.
#include <set>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "data/row_formats.h"

namespace aha {
namespace {

class CsvRows final : public RowReader {
 public:
  explicit CsvRows(std::unique_ptr<CharStream> text) : text_(std::move(text)) {}

  absl::StatusOr<std::optional<Row>> Next() override {
    if (header_.empty()) {
      const absl::Status header = ReadHeader();
      if (!header.ok()) return header;
    }
    while (text_->Peek() != CharStream::kEnd) {
      const uint64_t line = text_->line();
      const absl::Status record = ReadRecord();
      if (!text_->status().ok()) break;
      if (record.ok() && Blank()) continue;
      ++rows_;
      return Row{.place = absl::StrCat(":", line, ": row ", rows_),
                 .name = absl::StrCat("row-", rows_),
                 .value = record.ok() ? Object()
                                      : absl::StatusOr<nlohmann::json>(record)};
    }
    if (!text_->status().ok()) return text_->status();
    return std::nullopt;
  }

 private:
  absl::Status ReadHeader() {
    absl::Status record;
    while (text_->Peek() != CharStream::kEnd && (cells_.empty() || Blank())) {
      record = ReadRecord();
      if (!record.ok()) break;
    }
    if (!text_->status().ok()) return text_->status();
    if (!record.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the row of column names ", record.message()));
    }
    std::set<std::string> names;
    for (const std::string& name : cells_) {
      if (FindMalformedUtf8(name) != absl::string_view::npos) {
        return absl::InvalidArgumentError(
            "the names of columns must be UTF-8; convert the file with iconv");
      }
      if (!names.insert(name).second) {
        return absl::InvalidArgumentError(absl::StrCat(
            "the names of columns must differ, '", name, "' comes twice"));
      }
    }
    header_ = cells_;
    return absl::OkStatus();
  }

  bool Blank() const { return cells_.size() == 1 && cells_[0].empty(); }

  // Reads cells_ and passes over the rest of a record that is too long or
  // malformed.
  absl::Status ReadRecord() {
    cells_.assign(1, "");
    bytes_ = 0;
    absl::Status status;
    while (true) {
      if (text_->Peek() == '"') {
        text_->Get();
        status.Update(ReadQuoted());
      }
      const int end = ReadPlain(&status);
      if (end != ',') return status;
      if (bytes_ <= kMaxRowBytes) cells_.emplace_back();
      ++bytes_;  // So that a row of empty cells has an end, too.
    }
  }

  absl::Status ReadQuoted() {
    const uint64_t line = text_->line();
    while (true) {
      const int byte = text_->Get();
      if (byte == CharStream::kEnd) {
        return absl::InvalidArgumentError(absl::StrCat(
            "must close the quote that opens a cell in line ", line));
      }
      if (byte == '"') {
        if (text_->Peek() != '"') break;
        text_->Get();
      }
      Append(byte);
    }
    const int next = text_->Peek();
    if (next == ',' || next == '\r' || next == '\n' ||
        next == CharStream::kEnd) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("must have a comma or the end of the line behind the "
                     "closing quote of a cell, in line ",
                     text_->line()));
  }

  // Reads up to the comma or the end of the line, and that, too; returns it.
  int ReadPlain(absl::Status* status) {
    while (true) {
      const int byte = text_->Get();
      if (byte == '\r' && text_->Peek() == '\n') continue;
      if (byte == ',' || byte == '\n' || byte == CharStream::kEnd) {
        if (bytes_ > kMaxRowBytes) status->Update(RowTooLong("a row"));
        return byte;
      }
      Append(byte);
    }
  }

  void Append(int byte) {
    if (++bytes_ <= kMaxRowBytes) cells_.back() += static_cast<char>(byte);
  }

  absl::StatusOr<nlohmann::json> Object() const {
    if (cells_.size() != header_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("must have as many cells as there are columns (",
                       header_.size(), "), has ", cells_.size()));
    }
    nlohmann::json object = nlohmann::json::object();
    for (size_t i = 0; i < cells_.size(); ++i) {
      if (FindMalformedUtf8(cells_[i]) != absl::string_view::npos) {
        return absl::InvalidArgumentError(
            absl::StrCat(header_[i], " must be UTF-8"));
      }
      object[header_[i]] = cells_[i];
    }
    return object;
  }

  const std::unique_ptr<CharStream> text_;
  std::vector<std::string> header_;
  std::vector<std::string> cells_;
  size_t bytes_ = 0;  // Of the present record.
  uint64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> MakeCsvRows(std::unique_ptr<CharStream> text) {
  return std::make_unique<CsvRows>(std::move(text));
}

}  // namespace aha
