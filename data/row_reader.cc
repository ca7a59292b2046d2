// Implements data/row_reader.h: the table of formats, and how a file's format
// is found.
#include "data/row_reader.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/json.h"
#include "base/status.h"
#include "data/char_stream.h"
#include "data/row_formats.h"

namespace aha {
namespace {

// The order is that of the functions below.
enum FormatIndex { kJsonLines, kJsonArray, kCsv };

// "Train.CSV.gz" -> "train.csv".
std::string PlainName(absl::string_view name) {
  std::string lower = absl::AsciiStrToLower(name);
  absl::string_view plain = lower;
  if (!absl::ConsumeSuffix(&plain, ".gz")) absl::ConsumeSuffix(&plain, ".zst");
  return std::string(plain);
}

bool HasExtension(absl::string_view plain_name, const RowFormat& format) {
  for (const absl::string_view extension : format.extensions) {
    if (absl::EndsWith(plain_name, extension)) return true;
  }
  return false;
}

bool IsParquetName(absl::string_view plain_name) {
  return absl::EndsWith(plain_name, ".parquet") ||
         absl::EndsWith(plain_name, ".arrow");
}

absl::Status ParquetRefused() {
  return absl::UnimplementedError(
      "Parquet and Arrow files are not read; convert the file where Python "
      "is: python3 -c \"import pandas; pandas.read_parquet('FILE.parquet')."
      "to_json('FILE.jsonl', orient='records', lines=True)\"");
}

// What a user may take for data, and what to do instead.
absl::Status CheckForeign(absl::string_view plain_name,
                          absl::string_view head) {
  if (IsParquetName(plain_name) || absl::StartsWith(head, "PAR1") ||
      absl::StartsWith(head, "ARROW1")) {
    return ParquetRefused();
  }
  if (absl::StartsWith(head, "version https://git-lfs")) {
    return absl::InvalidArgumentError(
        "is a Git LFS pointer and not the file itself; get the file with git "
        "lfs pull");
  }
  if (absl::StartsWith(head, "PK\x03\x04")) {
    return absl::InvalidArgumentError(
        "is a zip archive (or a spreadsheet); unpack it or save it as CSV");
  }
  if (absl::StartsWith(head, "\xFF\xFE") ||
      absl::StartsWith(head, "\xFE\xFF")) {
    return absl::InvalidArgumentError(
        "must be UTF-8, is UTF-16; save it as UTF-8 or convert it with iconv");
  }
  return absl::OkStatus();
}

absl::StatusOr<const RowFormat*> FormatOf(absl::string_view plain_name,
                                          absl::string_view head) {
  AHA_RETURN_IF_ERROR(CheckForeign(plain_name, head));
  const absl::Span<const RowFormat> formats = RowFormats();
  if (HasExtension(plain_name, formats[kCsv])) return &formats[kCsv];
  // ".json" is used for both forms of JSON, so the first character decides.
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(head);
  if (absl::StartsWith(text, "[")) return &formats[kJsonArray];
  if (absl::StartsWith(text, "{")) return &formats[kJsonLines];
  for (const RowFormat& format : formats) {
    if (HasExtension(plain_name, format)) return &formats[kJsonLines];
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "must be of a known format (",
      absl::StrJoin(formats, ", ",
                    [](std::string* out, const RowFormat& format) {
                      absl::StrAppend(out, format.name, ": ",
                                      absl::StrJoin(format.extensions, " "));
                    }),
      "), which neither its name nor its beginning says"));
}

// Adds up what is read.
class CountedBytes final : public ByteStream {
 public:
  CountedBytes(std::unique_ptr<ByteStream> source, uint64_t* total)
      : source_(std::move(source)), total_(total) {}
  absl::StatusOr<size_t> Read(absl::Span<char> data) override {
    AHA_ASSIGN_OR_RETURN(const size_t size, source_->Read(data));
    *total_ += size;
    return size;
  }

 private:
  const std::unique_ptr<ByteStream> source_;
  uint64_t* const total_;
};

absl::StatusOr<std::unique_ptr<RowReader>> MakeRows(
    std::unique_ptr<ByteStream> bytes, absl::string_view name) {
  auto text = std::make_unique<CharStream>(std::move(bytes));
  AHA_RETURN_IF_ERROR(text->status());
  AHA_ASSIGN_OR_RETURN(const RowFormat* const format,
                       FormatOf(PlainName(name), text->Head()));
  return format->make(std::move(text));
}

}  // namespace

absl::Span<const RowFormat> RowFormats() {
  static const auto* const table = new std::vector<RowFormat>{
      {"JSON Lines", {".jsonl", ".ndjson"}, MakeJsonLinesRows},
      {"array of JSON objects", {".json"}, MakeJsonArrayRows},
      {"CSV", {".csv"}, MakeCsvRows},
  };
  return *table;
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenRows(const std::string& path,
                                                    uint64_t limit,
                                                    uint64_t* bytes_read) {
  const uint64_t left = limit - std::min(limit, *bytes_read);
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<ByteStream> bytes,
                       OpenByteStream(path, left));
  return MakeRows(std::make_unique<CountedBytes>(std::move(bytes), bytes_read),
                  path);
}

absl::StatusOr<std::unique_ptr<RowReader>> OpenRowsOf(absl::string_view bytes,
                                                      absl::string_view name) {
  constexpr uint64_t kLimit = uint64_t{1} << 30;
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<ByteStream> stream,
                       ByteStreamOf(bytes, kLimit));
  return MakeRows(std::move(stream), name);
}

bool HasDataExtension(absl::string_view name) {
  const std::string plain = PlainName(name);
  if (IsParquetName(plain)) return true;
  for (const RowFormat& format : RowFormats()) {
    if (HasExtension(plain, format)) return true;
  }
  return false;
}

absl::StatusOr<nlohmann::json> ParseRowObject(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(nlohmann::json json, ParseJson<nlohmann::json>(text));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a JSON object, is ", json.type_name()));
  }
  return json;
}

absl::Status RowTooLong(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " must have at most ", kMaxRowBytes, " bytes"));
}

}  // namespace aha
