// JSON Lines.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "data/row_formats.h"

namespace aha {
namespace {

class JsonLinesRows final : public RowReader {
 public:
  explicit JsonLinesRows(std::unique_ptr<CharStream> text)
      : text_(std::move(text)) {}

  absl::StatusOr<std::optional<Row>> Next() override {
    while (text_->Peek() != CharStream::kEnd) {
      const uint64_t number = text_->line();
      const bool fits = ReadLine();
      if (!text_->status().ok()) break;
      const absl::string_view line = absl::StripAsciiWhitespace(line_);
      if (fits && line.empty()) continue;
      return Row{
          .place = absl::StrCat(":", number),
          .name = absl::StrCat("line-", number),
          .value = fits ? ParseRowObject(line)
                        : absl::StatusOr<nlohmann::json>(RowTooLong("a line"))};
    }
    if (!text_->status().ok()) return text_->status();
    return std::nullopt;
  }

 private:
  // False if the line is too long; it is passed over then.
  bool ReadLine() {
    line_.clear();
    bool fits = true;
    for (int byte = text_->Get(); byte != CharStream::kEnd && byte != '\n';
         byte = text_->Get()) {
      fits = fits && line_.size() < kMaxRowBytes;
      if (fits) line_ += static_cast<char>(byte);
    }
    return fits;
  }

  const std::unique_ptr<CharStream> text_;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowReader> MakeJsonLinesRows(std::unique_ptr<CharStream> text) {
  return std::make_unique<JsonLinesRows>(std::move(text));
}

}  // namespace aha
