// The methods of texts, lists and dicts, of text/jinja/runtime.h.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace aha::jinja {
namespace {

using Result = absl::StatusOr<Value>;
using SequenceType = Sequence::Type;

// All methods of Python's str. What is not implemented here is refused when it
// is called.
constexpr absl::string_view kTextMethods[] = {
    "capitalize",   "casefold",     "center",    "count",     "encode",
    "endswith",     "expandtabs",   "find",      "format",    "format_map",
    "index",        "isalnum",      "isalpha",   "isascii",   "isdecimal",
    "isdigit",      "isidentifier", "islower",   "isnumeric", "isprintable",
    "isspace",      "istitle",      "isupper",   "join",      "ljust",
    "lower",        "lstrip",       "maketrans", "partition", "removeprefix",
    "removesuffix", "replace",      "rfind",     "rindex",    "rjust",
    "rpartition",   "rsplit",       "rstrip",    "split",     "splitlines",
    "startswith",   "strip",        "swapcase",  "title",     "translate",
    "upper",        "zfill"};
constexpr absl::string_view kDictMethods[] = {"copy", "get", "items", "keys",
                                              "values"};
constexpr absl::string_view kListMethods[] = {"copy", "count", "index"};
// What the sandbox hides, as it changes the value.
constexpr absl::string_view kDictChanges[] = {
    "clear", "fromkeys", "pop", "popitem", "setdefault", "update"};
constexpr absl::string_view kListChanges[] = {
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};

template <size_t n>
bool Among(const absl::string_view (&names)[n], absl::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Result TextArgument(const Bound& bound, size_t i) {
  AHA_ASSIGN_OR_RETURN(const Value value, bound.Required(i));
  if (!value.is_string()) return WrongType("use as a text", value);
  return value;
}

Result NewList(Runtime& runtime, const std::vector<absl::string_view>& parts,
               SequenceType type = SequenceType::kList) {
  AHA_RETURN_IF_ERROR(runtime.Work(parts.size()));
  AHA_RETURN_IF_ERROR(runtime.heap().Reserve(parts.size() * 64));
  std::vector<Value> items;
  for (const absl::string_view part : parts) {
    items.push_back(runtime.heap().NewText(std::string(part)));
  }
  return runtime.heap().NewSequence(std::move(items), type);
}

Result StripText(Runtime& runtime, absl::string_view text,
                 absl::string_view name, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"chars"}));
  const Side side = name == "lstrip"   ? Side::kLeft
                    : name == "rstrip" ? Side::kRight
                                       : Side::kBoth;
  const Value characters = bound.Or(0, Value::None());
  if (!characters.is(Kind::kNone)) {
    AHA_RETURN_IF_ERROR(TextArgument(bound, 0).status());
    // Each character is compared with each of the set.
    AHA_RETURN_IF_ERROR(
        runtime.Work((text.size() / 16 + 1) * (characters.text().size() + 1)));
    return runtime.heap().NewText(
        std::string(StripCharacters(text, characters.text(), side)));
  }
  const absl::string_view out = side == Side::kLeft    ? StripLeft(text)
                                : side == Side::kRight ? StripRight(text)
                                                       : Strip(text);
  return runtime.heap().NewText(std::string(out));
}

Result SplitText(Runtime& runtime, absl::string_view text,
                 absl::string_view name, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"sep", "maxsplit"}));
  AHA_ASSIGN_OR_RETURN(const int64_t limit, bound.Integer(1, -1));
  std::optional<absl::string_view> separator;
  if (!bound.Or(0, Value::None()).is(Kind::kNone)) {
    AHA_ASSIGN_OR_RETURN(const Value value, TextArgument(bound, 0));
    if (value.text().empty()) {
      return absl::InvalidArgumentError("the separator must not be empty");
    }
    separator = value.text();
    // The search from the right compares at each place.
    if (name == "rsplit") {
      AHA_RETURN_IF_ERROR(runtime.Work((text.size() / 64 + 1) *
                                       (value.text().size() / 16 + 1)));
    }
  }
  return NewList(runtime, Split(text, separator, limit, name == "rsplit"));
}

Result SplitTextLines(Runtime& runtime, absl::string_view text,
                      const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"keepends"}));
  return NewList(runtime,
                 SplitLines(text, Truth(bound.Or(0, Value::Bool(false)))));
}

Result PartitionText(Runtime& runtime, absl::string_view text,
                     absl::string_view name, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"sep"}));
  AHA_ASSIGN_OR_RETURN(const Value value, TextArgument(bound, 0));
  const absl::string_view separator = value.text();
  if (separator.empty()) {
    return absl::InvalidArgumentError("the separator must not be empty");
  }
  const bool right = name == "rpartition";
  const std::vector<absl::string_view> parts = Split(text, separator, 1, right);
  if (parts.size() == 2) {
    return NewList(runtime, {parts[0], separator, parts[1]},
                   SequenceType::kTuple);
  }
  if (right) return NewList(runtime, {"", "", text}, SequenceType::kTuple);
  return NewList(runtime, {text, "", ""}, SequenceType::kTuple);
}

Result BeginsOrEnds(absl::string_view text, absl::string_view name,
                    const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"affix"}));
  AHA_ASSIGN_OR_RETURN(const Value affix, bound.Required(0));
  std::vector<Value> any = {affix};
  if (affix.is(Kind::kSequence) &&
      affix.sequence().type == SequenceType::kTuple) {
    any = affix.sequence().items;
  }
  for (const Value& one : any) {
    if (!one.is_string()) return WrongType("compare a text's end with", one);
    if (name == "startswith" ? absl::StartsWith(text, one.text())
                             : absl::EndsWith(text, one.text())) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

Result RemoveAffix(Runtime& runtime, absl::string_view text,
                   absl::string_view name, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"affix"}));
  AHA_ASSIGN_OR_RETURN(const Value affix, TextArgument(bound, 0));
  if (name == "removeprefix") {
    absl::ConsumePrefix(&text, affix.text());
  } else {
    absl::ConsumeSuffix(&text, affix.text());
  }
  return runtime.heap().NewText(std::string(text));
}

Result ReplaceText(Runtime& runtime, absl::string_view text,
                   const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"old", "new", "count"}));
  AHA_ASSIGN_OR_RETURN(const Value from, TextArgument(bound, 0));
  AHA_ASSIGN_OR_RETURN(const Value to, TextArgument(bound, 1));
  AHA_ASSIGN_OR_RETURN(const int64_t count, bound.Integer(2, -1));
  const size_t places = CountOf(text, from.text());
  AHA_RETURN_IF_ERROR(runtime.Work(places));
  AHA_RETURN_IF_ERROR(runtime.heap().Reserve(
      text.size() + places * std::min<size_t>(to.text().size(), 1 << 30)));
  return runtime.heap().NewText(Replace(text, from.text(), to.text(), count));
}

Result FindInText(Runtime& runtime, absl::string_view text,
                  absl::string_view name, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"sub"}));
  AHA_ASSIGN_OR_RETURN(const Value part, TextArgument(bound, 0));
  const bool right = name == "rfind" || name == "rindex";
  // The search from the right compares at each place.
  if (right) {
    AHA_RETURN_IF_ERROR(
        runtime.Work((text.size() / 64 + 1) * (part.text().size() / 16 + 1)));
  }
  const size_t at =
      right ? text.rfind(part.text()) : FindText(text, part.text());
  if (at != text.npos) {
    return Value::Int(static_cast<int64_t>(Length(text.substr(0, at))));
  }
  if (name == "find" || name == "rfind") return Value::Int(-1);
  return absl::InvalidArgumentError("the text is not found");
}

Result JoinTexts(Runtime& runtime, absl::string_view text,
                 const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"iterable"}));
  AHA_ASSIGN_OR_RETURN(const Value source, bound.Required(0));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(source));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) return WrongType("join to a text", items[i]);
    absl::StrAppend(&out, i > 0 ? text : "", items[i].text());
    AHA_RETURN_IF_ERROR(runtime.heap().Reserve(out.size()));
  }
  AHA_RETURN_IF_ERROR(runtime.Work(items.size() + out.size() / 64));
  return runtime.heap().NewText(std::move(out));
}

// str.format with {}, {0} and {name}.
Result FormatText(Runtime& runtime, absl::string_view text,
                  const Arguments& arguments) {
  std::string out;
  size_t next = 0;
  while (!text.empty()) {
    const char c = text[0];
    if ((c == '{' || c == '}') && text.size() > 1 && text[1] == c) {
      out.push_back(c);
      text.remove_prefix(2);
      continue;
    }
    if (c != '{') {
      if (c == '}') return absl::InvalidArgumentError("a format has a lone }");
      out.push_back(c);
      text.remove_prefix(1);
      continue;
    }
    const size_t end = text.find('}');
    if (end == text.npos) {
      return absl::InvalidArgumentError("a format has a lone {");
    }
    const std::string field(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
    const Value* value = nullptr;
    for (size_t i = 0; i < arguments.positional.size(); ++i) {
      const bool meant = field.empty() ? i == next : field == absl::StrCat(i);
      if (meant) value = &arguments.positional[i];
    }
    next += field.empty() ? 1 : 0;
    for (const auto& [name, named] : arguments.named) {
      if (name == field) value = &named;
    }
    if (value == nullptr) {
      return absl::UnimplementedError(absl::StrCat(
          "the field {", field, "} of a format is not supported or not given"));
    }
    AHA_ASSIGN_OR_RETURN(const std::string part, runtime.TextOf(*value));
    out += part;
    AHA_RETURN_IF_ERROR(runtime.heap().Reserve(out.size()));
  }
  return runtime.heap().NewText(std::move(out));
}

// Methods without arguments that give a text.
std::optional<std::string> Transformed(absl::string_view text,
                                       absl::string_view name) {
  if (name == "upper") return Upper(text);
  if (name == "lower") return Lower(text);
  if (name == "title") return TitleMethod(text);
  if (name == "capitalize") return Capitalize(text);
  return std::nullopt;
}

Result CallText(Runtime& runtime, const Value& self, absl::string_view name,
                const Arguments& arguments) {
  const absl::string_view text = self.text();
  AHA_RETURN_IF_ERROR(runtime.WorkOn(self));
  if (self.markup()) {
    return absl::UnimplementedError(absl::StrCat(
        "the method ", name, " of a text marked safe is not supported"));
  }
  if (std::optional<std::string> out = Transformed(text, name)) {
    AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
    return runtime.heap().NewText(*std::move(out));
  }
  if (const std::optional<bool> is = HasClass(text, name)) {
    return Value::Bool(*is);
  }
  if (absl::EndsWith(name, "strip")) {
    return StripText(runtime, text, name, arguments);
  }
  if (name == "split" || name == "rsplit") {
    return SplitText(runtime, text, name, arguments);
  }
  if (name == "splitlines") return SplitTextLines(runtime, text, arguments);
  if (absl::EndsWith(name, "partition")) {
    return PartitionText(runtime, text, name, arguments);
  }
  if (name == "startswith" || name == "endswith") {
    return BeginsOrEnds(text, name, arguments);
  }
  if (absl::StartsWith(name, "remove")) {
    return RemoveAffix(runtime, text, name, arguments);
  }
  if (name == "replace") return ReplaceText(runtime, text, arguments);
  if (absl::EndsWith(name, "find") || absl::EndsWith(name, "index")) {
    return FindInText(runtime, text, name, arguments);
  }
  if (name == "count") {
    AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"sub"}));
    AHA_ASSIGN_OR_RETURN(const Value part, TextArgument(bound, 0));
    return Value::Int(static_cast<int64_t>(CountOf(text, part.text())));
  }
  if (name == "join") return JoinTexts(runtime, text, arguments);
  if (name == "format") return FormatText(runtime, text, arguments);
  return absl::UnimplementedError(
      absl::StrCat("the method ", name, " of a text is not supported"));
}

Result CallDict(Runtime& runtime, const Value& self, absl::string_view name,
                const Arguments& arguments) {
  const Dict& dict = self.dict();
  if (name == "get") {
    AHA_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(arguments, {"key", "default"}));
    AHA_ASSIGN_OR_RETURN(const Value key, bound.Required(0));
    const Value* found = dict.Find(key);
    return found != nullptr ? *found : bound.Or(1, Value::None());
  }
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  AHA_RETURN_IF_ERROR(runtime.Work(dict.items().size()));
  if (name == "copy") {
    const Value copy = runtime.heap().NewDict();
    for (const auto& [key, value] : dict.items()) {
      runtime.heap().Set(&copy.dict(), key, value);
    }
    return copy;
  }
  std::vector<Value> items;
  for (const auto& [key, value] : dict.items()) {
    if (name == "items") {
      items.push_back(
          runtime.heap().NewSequence({key, value}, SequenceType::kTuple));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return runtime.heap().NewSequence(std::move(items), SequenceType::kView);
}

Result CallList(Runtime& runtime, const Value& self, absl::string_view name,
                const Arguments& arguments) {
  const std::vector<Value>& items = self.sequence().items;
  AHA_RETURN_IF_ERROR(runtime.WorkOn(self));
  if (name == "copy") {
    AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
    return runtime.heap().NewSequence(items, self.sequence().type);
  }
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"value"}));
  AHA_ASSIGN_OR_RETURN(const Value value, bound.Required(0));
  AHA_RETURN_IF_ERROR(runtime.WorkOn(value));
  const auto equal = [&value](const Value& item) { return Equal(item, value); };
  if (name == "count") {
    return Value::Int(std::count_if(items.begin(), items.end(), equal));
  }
  const auto at = std::find_if(items.begin(), items.end(), equal);
  if (at == items.end()) {
    return absl::InvalidArgumentError("the value is not in the list");
  }
  return Value::Int(at - items.begin());
}

// loop.cycle and loop.changed.
Result CallLoop(Runtime& runtime, const Value& self, absl::string_view name,
                const Arguments& arguments) {
  Loop& loop = self.loop();
  const std::vector<Value>& values = arguments.positional;
  if (name == "cycle") {
    if (values.empty()) {
      return absl::InvalidArgumentError("needs at least one argument");
    }
    return values[loop.index % values.size()];
  }
  bool same = loop.called_changed && loop.changed.size() == values.size();
  for (size_t i = 0; same && i < values.size(); ++i) {
    AHA_RETURN_IF_ERROR(runtime.WorkOn(values[i]));
    same = Equal(loop.changed[i], values[i]);
  }
  loop.called_changed = true;
  loop.changed = values;
  return Value::Bool(!same);
}

}  // namespace

HasMethod FindMethod(const Value& value, absl::string_view name) {
  if (absl::StartsWith(name, "__")) return HasMethod::kUnsafe;
  bool has = false, unsafe = false;
  if (value.is_string()) {
    has = Among(kTextMethods, name);
  } else if (value.is(Kind::kDict)) {
    has = Among(kDictMethods, name);
    unsafe = Among(kDictChanges, name);
  } else if (value.is(Kind::kSequence) && value.sequence().has_index()) {
    has = Among(kListMethods, name) &&
          (name != "copy" || value.sequence().type == SequenceType::kList);
    unsafe = value.sequence().type == SequenceType::kList &&
             Among(kListChanges, name);
  }
  return has ? HasMethod::kYes : unsafe ? HasMethod::kUnsafe : HasMethod::kNo;
}

absl::StatusOr<Value> CallMethod(Runtime& runtime, const Method& method,
                                 const Arguments& arguments) {
  const Value& self = method.self;
  if (self.is_string()) {
    return CallText(runtime, self, method.name, arguments);
  }
  if (self.is(Kind::kDict)) {
    return CallDict(runtime, self, method.name, arguments);
  }
  if (self.is(Kind::kLoop)) {
    return CallLoop(runtime, self, method.name, arguments);
  }
  return CallList(runtime, self, method.name, arguments);
}

}  // namespace aha::jinja
