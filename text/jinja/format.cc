// Python's text % values, of text/jinja/runtime.h: %s, %r, %d, %i, %f with a
// precision, and %%.
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/tokenizer_bytes.h"

namespace aha::jinja {
namespace {

absl::Status NotSupported(absl::string_view format) {
  return absl::UnimplementedError(absl::StrCat(
      "the format ", Quote(format.substr(0, 12)), " is not supported"));
}

// One conversion; `precision` is -1 if none is given.
absl::StatusOr<std::string> Convert(Runtime& runtime, char kind, int precision,
                                    const Value& value) {
  if (kind == 's' && precision < 0) return runtime.TextOf(value);
  if (kind == 'r' && value.is_string()) return ReprText(value.text());
  if (kind == 'r') return runtime.TextOf(value);
  if (!value.is_number()) return WrongType("format as a number", value);
  if (kind == 'f') {
    return absl::StrFormat("%.*f", precision < 0 ? 6 : precision,
                           value.number());
  }
  if (!value.is_integral()) return WrongType("format as an integer", value);
  return absl::StrCat(value.integer());
}

}  // namespace

absl::StatusOr<Value> FormatPercent(Runtime& runtime, absl::string_view format,
                                    const Value& value) {
  std::vector<Value> values = {value};
  const bool tuple = value.is(Kind::kSequence) &&
                     value.sequence().type == Sequence::Type::kTuple;
  if (tuple) values = value.sequence().items;
  size_t next = 0;
  std::string out;
  AHA_RETURN_IF_ERROR(runtime.Work(format.size() / 16));
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      out.push_back(format[at]);
      continue;
    }
    const size_t begin = at++;
    int precision = -1;
    if (at + 1 < format.size() && format[at] == '.' &&
        absl::ascii_isdigit(static_cast<unsigned char>(format[at + 1]))) {
      precision = format[at + 1] - '0';
      at += 2;
    }
    if (at >= format.size()) return NotSupported(format.substr(begin));
    const char kind = format[at];
    if (kind == '%' && precision < 0) {
      out.push_back('%');
      continue;
    }
    const bool number = kind == 'f' || kind == 'd' || kind == 'i';
    if ((!number && kind != 's' && kind != 'r') ||
        (precision >= 0 && kind != 'f')) {
      return NotSupported(format.substr(begin));
    }
    if (next == values.size()) {
      return absl::InvalidArgumentError("not enough values for a format");
    }
    AHA_ASSIGN_OR_RETURN(const std::string text,
                         Convert(runtime, kind, precision, values[next++]));
    out += text;
    AHA_RETURN_IF_ERROR(runtime.heap().Reserve(out.size()));
  }
  const bool unused = next < values.size() && (tuple || !value.is(Kind::kDict));
  if (unused) {
    return absl::InvalidArgumentError("too many values for a format");
  }
  return runtime.heap().NewText(std::move(out));
}

}  // namespace aha::jinja
