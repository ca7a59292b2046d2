// An array of JSON objects. The elements are told apart by their brackets and
// quotes, and each is parsed by itself, so that the array does not have to fit
// into memory.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "data/row_formats.h"

namespace aha {
namespace {

class JsonArrayRows final : public RowReader {
 public:
  explicit JsonArrayRows(std::unique_ptr<CharStream> text)
      : text_(std::move(text)) {}

  absl::StatusOr<std::optional<Row>> Next() override {
    SkipBlanks();
    if (rows_ == 0) {
      if (text_->Get() != '[') return Broken("must begin with '['");
      SkipBlanks();
      if (text_->Peek() == ']') text_->Get(), ended_ = true;
    }
    if (ended_) return End();
    const uint64_t line = text_->line();
    ++rows_;
    const bool fits = ReadElement();
    const int behind = text_->Get();
    if (behind == CharStream::kEnd) {
      return Broken(absl::StrCat("must end with ']'; row ", rows_,
                                 ", which begins in line ", line,
                                 ", does not end"));
    }
    ended_ = behind == ']';
    const absl::string_view element = absl::StripAsciiWhitespace(element_);
    Row row{.place = absl::StrCat(":", line, ": row ", rows_),
            .name = absl::StrCat("row-", rows_),
            .value = absl::StatusOr<nlohmann::json>(RowTooLong("a row"))};
    if (fits) row.value = ParseRowObject(element);
    return row;
  }

 private:
  void SkipBlanks() {
    while (text_->Peek() != CharStream::kEnd &&
           absl::ascii_isspace(static_cast<unsigned char>(text_->Peek()))) {
      text_->Get();
    }
  }

  absl::Status Broken(absl::string_view rule) const {
    if (!text_->status().ok()) return text_->status();
    return absl::InvalidArgumentError(
        absl::StrCat("an array of JSON objects ", rule));
  }

  absl::StatusOr<std::optional<Row>> End() {
    SkipBlanks();
    if (text_->Peek() != CharStream::kEnd) {
      return Broken(
          absl::StrCat("must be all that the file holds; more comes "
                       "behind its ']' in line ",
                       text_->line()));
    }
    if (!text_->status().ok()) return text_->status();
    return std::nullopt;
  }

  // Stops before the comma or bracket behind the element. False if the element
  // is too long; it is passed over then.
  bool ReadElement() {
    element_.clear();
    bool fits = true, quoted = false, escaped = false;
    for (int depth = 0; text_->Peek() != CharStream::kEnd;) {
      const int byte = text_->Peek();
      if (depth <= 0 && !quoted && (byte == ',' || byte == ']')) break;
      text_->Get();
      fits = fits && element_.size() < kMaxRowBytes;
      if (fits) element_ += static_cast<char>(byte);
      if (quoted) {
        quoted = escaped || byte != '"';
        escaped = !escaped && byte == '\\';
      } else if (byte == '"') {
        quoted = true;
      } else if (byte == '{' || byte == '[') {
        ++depth;
      } else if (byte == '}' || byte == ']') {
        --depth;
      }
    }
    return fits;
  }

  const std::unique_ptr<CharStream> text_;
  std::string element_;
  uint64_t rows_ = 0;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<RowReader> MakeJsonArrayRows(std::unique_ptr<CharStream> text) {
  return std::make_unique<JsonArrayRows>(std::move(text));
}

}  // namespace aha
