// The filters of texts and single values, of text/jinja/runtime.h, and the
// table of all filters. Those of sequences stand in sequence_filters.cc.
#include <cmath>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "text/jinja/print.h"
#include "text/jinja/python_text.h"
#include "text/jinja/sequence_filters.h"

namespace aha::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// A filter that gives a text for a text.
template <std::string (*transform)(absl::string_view)>
Result OfText(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(input));
  return runtime.heap().NewText(transform(text));
}

Result Trim(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"chars"}));
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(input));
  const Value characters = bound.Or(0, Value::None());
  if (characters.is(Kind::kNone)) {
    return runtime.heap().NewText(std::string(Strip(text)));
  }
  if (!characters.is_string()) return WrongType("trim by", characters);
  AHA_RETURN_IF_ERROR(
      runtime.Work((text.size() / 16 + 1) * (characters.text().size() + 1)));
  return runtime.heap().NewText(
      std::string(StripCharacters(text, characters.text(), Side::kBoth)));
}

Result ReplaceFilter(Runtime& runtime, const Value& input,
                     const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"old", "new", "count"}));
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(input));
  AHA_ASSIGN_OR_RETURN(const Value old_value, bound.Required(0));
  AHA_ASSIGN_OR_RETURN(const Value new_value, bound.Required(1));
  AHA_ASSIGN_OR_RETURN(const std::string from, runtime.TextOf(old_value));
  AHA_ASSIGN_OR_RETURN(const std::string to, runtime.TextOf(new_value));
  int64_t count = -1;
  if (!bound.Or(2, Value::None()).is(Kind::kNone)) {
    AHA_ASSIGN_OR_RETURN(count, bound.Integer(2, -1));
  }
  const size_t places = CountOf(text, from);
  AHA_RETURN_IF_ERROR(runtime.Work(places));
  AHA_RETURN_IF_ERROR(runtime.heap().Reserve(
      text.size() + places * std::min<size_t>(to.size(), 1 << 30)));
  return runtime.heap().NewText(Replace(text, from, to, count));
}

Result Indent(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"width", "first", "blank"}));
  AHA_ASSIGN_OR_RETURN(std::string text, runtime.TextOf(input));
  std::string by;
  if (const Value* width = bound.Get(0); width && width->is_string()) {
    by = width->text();
  } else {
    AHA_ASSIGN_OR_RETURN(const int64_t spaces, bound.Integer(0, 4));
    if (spaces > 1000) {
      return absl::InvalidArgumentError("the width must be at most 1000");
    }
    by = std::string(static_cast<size_t>(std::max<int64_t>(spaces, 0)), ' ');
  }
  const bool blank = Truth(bound.Or(2, Value::Bool(false)));
  text += '\n';  // Jinja adds it, so that a last empty line counts.
  const std::vector<absl::string_view> lines = SplitLines(text, false);
  AHA_RETURN_IF_ERROR(runtime.Work(lines.size()));
  AHA_RETURN_IF_ERROR(
      runtime.heap().Reserve(text.size() + lines.size() * (by.size() + 1)));
  std::string out = Truth(bound.Or(1, Value::Bool(false))) ? by : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool indented = i > 0 && (blank || !lines[i].empty());
    absl::StrAppend(&out, i > 0 ? "\n" : "", indented ? by : "", lines[i]);
  }
  return runtime.heap().NewText(std::move(out));
}

absl::StatusOr<JsonStyle> JsonStyleOf(const Bound& bound) {
  JsonStyle style;
  style.ensure_ascii = Truth(bound.Or(0, Value::Bool(false)));
  style.sort_keys = Truth(bound.Or(3, Value::Bool(false)));
  const Value indent = bound.Or(1, Value::None());
  if (indent.is_string()) {
    style.indent = indent.text();
  } else if (!indent.is(Kind::kNone)) {
    AHA_ASSIGN_OR_RETURN(const int64_t spaces, bound.Integer(1, 0));
    if (spaces > 1000) {
      return absl::InvalidArgumentError("indent must be at most 1000");
    }
    style.indent =
        std::string(static_cast<size_t>(std::max<int64_t>(spaces, 0)), ' ');
  }
  if (style.indent) style.item_separator = std::string(1, ',');
  const Value separators = bound.Or(2, Value::None());
  if (separators.is(Kind::kNone)) return style;
  if (!separators.is(Kind::kSequence) ||
      separators.sequence().items.size() != 2 ||
      !separators.sequence().items[0].is_string() ||
      !separators.sequence().items[1].is_string()) {
    return absl::InvalidArgumentError("separators must be two texts");
  }
  style.item_separator = separators.sequence().items[0].text();
  style.key_separator = separators.sequence().items[1].text();
  return style;
}

Result ToJsonFilter(Runtime& runtime, const Value& input,
                    const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"ensure_ascii", "indent",
                                             "separators", "sort_keys"}));
  AHA_ASSIGN_OR_RETURN(const JsonStyle style, JsonStyleOf(bound));
  AHA_RETURN_IF_ERROR(runtime.WorkOn(input));
  AHA_ASSIGN_OR_RETURN(std::string text,
                       ToJson(input, style, runtime.heap().remaining()));
  AHA_RETURN_IF_ERROR(runtime.Work(text.size() / 64));
  return runtime.heap().NewText(std::move(text));
}

Result Default(Runtime& runtime, const Value& input,
               const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"default_value", "boolean"}));
  const bool boolean = Truth(bound.Or(1, Value::Bool(false)));
  if (!input.is_undefined() && (!boolean || Truth(input))) return input;
  return bound.Get(0) != nullptr ? *bound.Get(0) : runtime.heap().NewText("");
}

Result String(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  return runtime.TextValueOf(input);
}

Result Safe(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  AHA_ASSIGN_OR_RETURN(std::string text, runtime.TextOf(input));
  return runtime.heap().NewText(std::move(text), true);
}

Result Escape(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  if (input.markup()) return input;
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(input));
  return runtime.heap().NewText(EscapeHtml(text), true);
}

// Python's int(text) and float(text); nothing if the text is not a number.
std::optional<double> ParseFloat(absl::string_view text) {
  double number = 0;
  text = Strip(text);
  if (text.empty() || text.find_first_of("xX") != text.npos ||
      !absl::SimpleAtod(text, &number)) {
    return std::nullopt;
  }
  return number;
}
std::optional<int64_t> ParseInt(absl::string_view text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(Strip(text), &number)) return std::nullopt;
  return number;
}

Result Int(Runtime&, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"default", "base"}));
  AHA_ASSIGN_OR_RETURN(const int64_t base, bound.Integer(1, 10));
  if (base != 10) {
    return absl::UnimplementedError("a base other than 10 is not supported");
  }
  if (input.is_undefined()) return UndefinedError(input);
  if (input.is_integral()) return Value::Int(input.integer());
  std::optional<double> number;
  if (input.is(Kind::kFloat)) number = input.number();
  if (input.is_string()) {
    if (const auto integer = ParseInt(input.text())) {
      return Value::Int(*integer);
    }
    number = ParseFloat(input.text());
  }
  if (!number || !std::isfinite(*number)) return bound.Or(0, Value::Int(0));
  if (std::abs(*number) >= 9.2e18) {
    return absl::UnimplementedError("an integer beyond 64 bits");
  }
  return Value::Int(static_cast<int64_t>(*number));
}

Result Float(Runtime&, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"default"}));
  if (input.is_undefined()) return UndefinedError(input);
  if (input.is_number()) return Value::Float(input.number());
  std::optional<double> number;
  if (input.is_string()) number = ParseFloat(input.text());
  return number ? Value::Float(*number) : bound.Or(0, Value::Float(0));
}

Result Abs(Runtime&, const Value& input, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  if (input.is(Kind::kFloat)) return Value::Float(std::abs(input.number()));
  if (!input.is_integral())
    return WrongType("take the absolute value of", input);
  return input.integer() < 0 ? Negative(input) : Value::Int(input.integer());
}

Result Round(Runtime&, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"precision", "method"}));
  AHA_ASSIGN_OR_RETURN(const int64_t precision, bound.Integer(0, 0));
  if (!input.is_number()) return WrongType("round", input);
  if (precision < 0 || precision > 15) {
    return absl::UnimplementedError("a precision outside of 0 to 15");
  }
  const Value* method = bound.Get(1);
  const std::string name = method == nullptr     ? "common"
                           : method->is_string() ? method->text()
                                                 : "";
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (name == "ceil" || name == "floor") {
    const double scaled = input.number() * scale;
    return Value::Float(
        (name == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (name != "common") {
    return absl::InvalidArgumentError(
        "the method must be common, ceil or floor");
  }
  if (input.is_integral()) return Value::Int(input.integer());
  // The nearest decimal, of two the even one, as in Python.
  const std::string text =
      absl::StrFormat("%.*f", static_cast<int>(precision), input.number());
  return Value::Float(std::strtod(text.c_str(), nullptr));
}

Result FormatFilter(Runtime& runtime, const Value& input,
                    const Arguments& arguments) {
  if (!arguments.named.empty()) {
    return absl::UnimplementedError("named values of format are not supported");
  }
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(input));
  const Value values =
      runtime.heap().NewSequence(arguments.positional, Sequence::Type::kTuple);
  return FormatPercent(runtime, text, values);
}

Result Attr(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"name"}));
  AHA_ASSIGN_OR_RETURN(const Value name, bound.Required(0));
  if (!name.is_string()) return WrongType("name an attribute by", name);
  // It looks for attributes only, not for the keys of a dict.
  if (input.is(Kind::kDict) &&
      FindMethod(input, name.text()) == HasMethod::kNo) {
    return Value::Undefined(&name.text());
  }
  return AttributeOf(runtime, input, name.text());
}

constexpr struct {
  absl::string_view name;
  Filter filter;
} kFilters[] = {{"abs", Abs},
                {"attr", Attr},
                {"capitalize", OfText<Capitalize>},
                {"count", filters::Length},
                {"d", Default},
                {"default", Default},
                {"dictsort", filters::DictSort},
                {"e", Escape},
                {"escape", Escape},
                {"first", filters::First},
                {"float", Float},
                {"format", FormatFilter},
                {"indent", Indent},
                {"int", Int},
                {"items", filters::Items},
                {"join", filters::Join},
                {"last", filters::Last},
                {"length", filters::Length},
                {"list", filters::List},
                {"lower", OfText<Lower>},
                {"map", filters::Map},
                {"max", filters::Max},
                {"min", filters::Min},
                {"reject", filters::Reject},
                {"rejectattr", filters::RejectAttr},
                {"replace", ReplaceFilter},
                {"reverse", filters::Reverse},
                {"round", Round},
                {"safe", Safe},
                {"select", filters::Select},
                {"selectattr", filters::SelectAttr},
                {"sort", filters::Sort},
                {"string", String},
                {"sum", filters::Sum},
                {"title", OfText<TitleFilter>},
                {"tojson", ToJsonFilter},
                {"trim", Trim},
                {"unique", filters::Unique},
                {"upper", OfText<Upper>}};

}  // namespace

absl::StatusOr<Filter> FindFilter(absl::string_view name) {
  for (const auto& row : kFilters) {
    if (row.name == name) return row.filter;
  }
  return absl::UnimplementedError(
      absl::StrCat("the filter ", name, " is not supported"));
}

}  // namespace aha::jinja
