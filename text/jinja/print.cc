#include "text/jinja/print.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "base/text.h"
#include "text/jinja/python_text.h"

namespace aha::jinja {
namespace {

absl::Status NoText(const Value& value) {
  return absl::UnimplementedError(
      absl::StrCat("the text of a ", TypeName(value), " is not supported"));
}

// What both printers check while they go along a value.
class Printer {
 public:
  explicit Printer(size_t max_bytes) : max_bytes_(max_bytes) {}

 protected:
  absl::Status Check(int depth) const {
    if (depth > kMaxDepth) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a value must not be nested more than ", kMaxDepth, " deep"));
    }
    if (out_.size() <= max_bytes_) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "the text of a value must not have more than ", max_bytes_, " bytes"));
  }

  const size_t max_bytes_;
  std::string out_;
};

class PythonPrinter : public Printer {
 public:
  using Printer::Printer;

  absl::StatusOr<std::string> Run(const Value& value) {
    AHA_RETURN_IF_ERROR(Repr(value, 0));
    AHA_RETURN_IF_ERROR(Check(0));
    return std::move(out_);
  }

 private:
  absl::Status Repr(const Value& value, int depth) {
    AHA_RETURN_IF_ERROR(Check(depth));
    switch (value.kind()) {
      case Kind::kUndefined:
        out_ += "Undefined";
        return absl::OkStatus();
      case Kind::kNone:
        out_ += "None";
        return absl::OkStatus();
      case Kind::kBool:
        out_ += value.integer() != 0 ? "True" : "False";
        return absl::OkStatus();
      case Kind::kInt:
        absl::StrAppend(&out_, value.integer());
        return absl::OkStatus();
      case Kind::kFloat:
        out_ += FloatText(value.number());
        return absl::OkStatus();
      case Kind::kString:
        absl::StrAppend(&out_, value.markup() ? "Markup(" : "",
                        ReprText(value.text()), value.markup() ? ")" : "");
        return absl::OkStatus();
      case Kind::kSequence:
        return Items(value, depth);
      case Kind::kDict:
        return Entries(value.dict(), depth);
      default:
        return NoText(value);
    }
  }

  absl::Status Items(const Value& value, int depth) {
    const Sequence& sequence = value.sequence();
    const bool tuple = sequence.type == Sequence::Type::kTuple;
    if (!tuple && sequence.type != Sequence::Type::kList) return NoText(value);
    out_ += tuple ? "(" : "[";
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) out_ += ", ";
      AHA_RETURN_IF_ERROR(Repr(sequence.items[i], depth + 1));
    }
    if (tuple && sequence.items.size() == 1) out_ += ",";
    out_ += tuple ? ")" : "]";
    return absl::OkStatus();
  }

  absl::Status Entries(const Dict& dict, int depth) {
    const char* separator = "{";
    for (const auto& [key, value] : dict.items()) {
      out_ += std::exchange(separator, ", ");
      AHA_RETURN_IF_ERROR(Repr(key, depth + 1));
      out_ += ": ";
      AHA_RETURN_IF_ERROR(Repr(value, depth + 1));
    }
    out_ += dict.items().empty() ? "{}" : "}";
    return absl::OkStatus();
  }
};

class JsonPrinter : public Printer {
 public:
  JsonPrinter(const JsonStyle& style, size_t max_bytes)
      : Printer(max_bytes), style_(style) {}

  absl::StatusOr<std::string> Run(const Value& value) {
    AHA_RETURN_IF_ERROR(Write(value, 0));
    AHA_RETURN_IF_ERROR(Check(0));
    return std::move(out_);
  }

 private:
  absl::Status Write(const Value& value, int depth) {
    AHA_RETURN_IF_ERROR(Check(depth));
    switch (value.kind()) {
      case Kind::kNone:
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat:
        out_ += Atom(value);
        return absl::OkStatus();
      case Kind::kString:
        Text(value.text());
        return absl::OkStatus();
      case Kind::kSequence:
        return Items(value, depth);
      case Kind::kDict:
        return Entries(value.dict(), depth);
      default:
        return NotJson(value);
    }
  }

  static absl::Status NotJson(const Value& value) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ", TypeName(value), " cannot be written as JSON"));
  }

  static std::string Atom(const Value& value) {
    if (value.is(Kind::kNone)) return "null";
    if (value.is(Kind::kBool)) return value.integer() != 0 ? "true" : "false";
    if (value.is(Kind::kInt)) return absl::StrCat(value.integer());
    const std::string text = FloatText(value.number());
    if (text == "nan") return "NaN";
    if (text == "inf") return "Infinity";
    return text == "-inf" ? "-Infinity" : text;
  }

  void Escaped(char32_t code) {
    if (code >= 0x10000) {
      const auto rest = static_cast<uint32_t>(code) - 0x10000;
      absl::StrAppendFormat(&out_, "\\u%04x\\u%04x", 0xD800 + (rest >> 10),
                            0xDC00 + (rest & 0x3FF));
    } else {
      absl::StrAppendFormat(&out_, "\\u%04x", static_cast<uint32_t>(code));
    }
  }

  void Text(absl::string_view text) {
    static constexpr absl::string_view kShort = "\"\\\n\r\t\f\b";
    static constexpr absl::string_view kLetters = "\"\\nrtfb";
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const Utf8Char c = ReadUtf8(text, at);
      const size_t letter = kShort.find(text[at]);
      if (letter != kShort.npos) {
        out_ += '\\';
        out_ += kLetters[letter];
      } else if (c.code < 0x20 || (c.code > 0x7E && style_.ensure_ascii)) {
        // Python leaves U+007F as it is.
        if (c.code == 0x7F) {
          out_ += '\x7F';
        } else {
          Escaped(c.code);
        }
      } else {
        absl::StrAppend(&out_, text.substr(at, c.size));
      }
      at += c.size;
    }
    out_ += '"';
  }

  void Line(int depth) {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < depth; ++i) out_ += *style_.indent;
  }

  absl::Status Items(const Value& value, int depth) {
    const Sequence& sequence = value.sequence();
    if (sequence.type != Sequence::Type::kTuple &&
        sequence.type != Sequence::Type::kList) {
      return NotJson(value);
    }
    if (sequence.items.empty()) {
      out_ += "[]";
      return absl::OkStatus();
    }
    out_ += '[';
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      Line(depth + 1);
      AHA_RETURN_IF_ERROR(Write(sequence.items[i], depth + 1));
    }
    Line(depth);
    out_ += ']';
    return absl::OkStatus();
  }

  absl::Status Entries(const Dict& dict, int depth) {
    if (dict.items().empty()) {
      out_ += "{}";
      return absl::OkStatus();
    }
    std::vector<std::pair<std::string, const Value*>> entries;
    for (const auto& [key, value] : dict.items()) {
      if (style_.sort_keys && !key.is_string()) {
        return absl::UnimplementedError(
            "sort_keys of a dict whose keys are not texts is not supported");
      }
      entries.emplace_back(key.is_string() ? key.text() : Atom(key), &value);
    }
    if (style_.sort_keys) {
      std::stable_sort(
          entries.begin(), entries.end(),
          [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      Line(depth + 1);
      Text(entries[i].first);
      out_ += style_.key_separator;
      AHA_RETURN_IF_ERROR(Write(*entries[i].second, depth + 1));
    }
    Line(depth);
    out_ += '}';
    return absl::OkStatus();
  }

  const JsonStyle& style_;
};

}  // namespace

absl::StatusOr<std::string> ToText(const Value& value, size_t max_bytes) {
  if (value.is_undefined()) return "";
  if (value.is_string()) return value.text();
  return PythonPrinter(max_bytes).Run(value);
}

absl::StatusOr<std::string> ToJson(const Value& value, const JsonStyle& style,
                                   size_t max_bytes) {
  return JsonPrinter(style, max_bytes).Run(value);
}

}  // namespace aha::jinja
