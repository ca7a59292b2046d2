// Operators and look-ups of text/jinja/runtime.h.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace aha::jinja {
namespace {

using SequenceType = Sequence::Type;

absl::Status BadOperands(absl::string_view op, const Value& a, const Value& b) {
  if (a.is_undefined()) return UndefinedError(a);
  if (b.is_undefined()) return UndefinedError(b);
  return absl::InvalidArgumentError(
      absl::StrCat("cannot compute ", TypeName(a), " ", op, " ", TypeName(b)));
}

absl::Status TooLarge(absl::string_view op) {
  return absl::UnimplementedError(
      absl::StrCat("a result of ", op, " beyond 64 bits is not supported"));
}

absl::Status DivisionByZero() {
  return absl::InvalidArgumentError("division by zero");
}

// Python's floor division and remainder, whose sign is that of b.
absl::StatusOr<Value> Divide(absl::string_view op, int64_t a, int64_t b) {
  if (b == 0) return DivisionByZero();
  if (b == -1 && a == std::numeric_limits<int64_t>::min()) {
    return op == "%" ? absl::StatusOr<Value>(Value::Int(0)) : TooLarge(op);
  }
  const int64_t rest = a % b;
  const bool adjust = rest != 0 && (rest < 0) != (b < 0);
  if (op == "%") return Value::Int(adjust ? rest + b : rest);
  return Value::Int(a / b - (adjust ? 1 : 0));
}

absl::StatusOr<Value> Power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return DivisionByZero();
    return Value::Float(
        std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      return TooLarge("**");
    }
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
      return TooLarge("**");
    }
  }
  return Value::Int(result);
}

absl::StatusOr<Value> Integers(absl::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "/") {
    if (b == 0) return DivisionByZero();
    return Value::Float(static_cast<double>(a) / static_cast<double>(b));
  }
  if (op == "//" || op == "%") return Divide(op, a, b);
  if (op == "**") return Power(a, b);
  if (op == "+") overflow = __builtin_add_overflow(a, b, &result);
  if (op == "-") overflow = __builtin_sub_overflow(a, b, &result);
  if (op == "*") overflow = __builtin_mul_overflow(a, b, &result);
  if (overflow) return TooLarge(op);
  return Value::Int(result);
}

absl::StatusOr<Value> Floats(absl::string_view op, double a, double b) {
  if (op == "+") return Value::Float(a + b);
  if (op == "-") return Value::Float(a - b);
  if (op == "*") return Value::Float(a * b);
  if (op == "**") {
    const double power = std::pow(a, b);
    if (!std::isfinite(power)) return TooLarge(op);
    return Value::Float(power);
  }
  if (b == 0) return DivisionByZero();
  if (op == "/") return Value::Float(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (op == "%") return Value::Float(rest == 0 ? std::copysign(0.0, b) : rest);
  return Value::Float(std::round((a - rest) / b));
}

absl::StatusOr<Value> Repeat(Runtime& runtime, const Value& value,
                             int64_t times) {
  const auto n = static_cast<size_t>(std::max<int64_t>(times, 0));
  const size_t size = value.is_string()
                          ? value.text().size()
                          : value.sequence().items.size() * sizeof(Value);
  if (size > 0 && n > runtime.heap().remaining() / size) {
    return runtime.heap().Reserve(std::numeric_limits<size_t>::max());
  }
  AHA_RETURN_IF_ERROR(runtime.Work(size > 0 ? n * size / 64 : 0));
  if (value.is_string()) {
    std::string text;
    text.reserve(n * size);
    for (size_t i = 0; size > 0 && i < n; ++i) text += value.text();
    return runtime.heap().NewText(std::move(text), value.markup());
  }
  const std::vector<Value>& one = value.sequence().items;
  std::vector<Value> items;
  for (size_t i = 0; size > 0 && i < n; ++i) {
    items.insert(items.end(), one.begin(), one.end());
  }
  return runtime.heap().NewSequence(std::move(items), value.sequence().type);
}

bool IsListOrTuple(const Value& value) {
  return value.is(Kind::kSequence) &&
         (value.sequence().type == SequenceType::kList ||
          value.sequence().type == SequenceType::kTuple);
}

absl::StatusOr<Value> Join(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string()) {
    AHA_RETURN_IF_ERROR(runtime.Work((a.text().size() + b.text().size()) / 64));
    const bool markup = a.markup() || b.markup();
    const auto part = [markup](const Value& x) {
      return markup && !x.markup() ? EscapeHtml(x.text()) : x.text();
    };
    return runtime.heap().NewText(part(a) + part(b), markup);
  }
  std::vector<Value> items = a.sequence().items;
  const std::vector<Value>& more = b.sequence().items;
  AHA_RETURN_IF_ERROR(runtime.Work((items.size() + more.size()) / 8));
  items.insert(items.end(), more.begin(), more.end());
  return runtime.heap().NewSequence(std::move(items), a.sequence().type);
}

// Python's a < b; -1, 0 or 1 for less, equal, greater.
absl::StatusOr<int> Order(const Value& a, const Value& b, int depth) {
  if (a.is_integral() && b.is_integral()) {
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  if (a.is_number() && b.is_number()) {
    return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  }
  if (a.is_string() && b.is_string()) {
    // The order of UTF-8 is that of code points.
    const int order = a.text().compare(b.text());
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  if (depth <= kMaxDepth && IsListOrTuple(a) && IsListOrTuple(b) &&
      a.sequence().type == b.sequence().type) {
    const std::vector<Value>& x = a.sequence().items;
    const std::vector<Value>& y = b.sequence().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!Equal(x[i], y[i])) return Order(x[i], y[i], depth + 1);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
  }
  return BadOperands("<", a, b);
}

absl::StatusOr<bool> Contains(Runtime& runtime, const Value& item,
                              const Value& all) {
  AHA_RETURN_IF_ERROR(runtime.WorkOn(all));
  AHA_RETURN_IF_ERROR(runtime.WorkOn(item));
  if (all.is_string()) {
    if (!item.is_string()) return WrongType("look in a text for", item);
    return FindText(all.text(), item.text()) != std::string::npos;
  }
  if (all.is(Kind::kDict)) {
    if (item.is(Kind::kSequence) || item.is(Kind::kDict)) {
      return WrongType("look among the keys of a dict for", item);
    }
    return all.dict().Find(item) != nullptr;
  }
  if (all.is_undefined()) return false;
  if (!all.is(Kind::kSequence)) return WrongType("look into", all);
  Sequence& sequence = all.sequence();
  for (size_t i = sequence.next; i < sequence.items.size(); ++i) {
    if (!sequence.has_length()) sequence.next = i + 1;
    AHA_RETURN_IF_ERROR(runtime.WorkOn(item));
    if (Equal(sequence.items[i], item)) return true;
  }
  return false;
}

// Where a slice's part points to, as Python clamps it.
absl::StatusOr<int64_t> SliceEnd(const Value& part, int64_t size, int64_t step,
                                 bool start) {
  if (part.is_undefined() || part.is(Kind::kNone)) {
    if (start) return step > 0 ? 0 : size - 1;
    return step > 0 ? size : -1;
  }
  if (!part.is_integral()) return WrongType("slice by", part);
  int64_t at = part.integer();
  if (at < 0) at = at < -size ? -1 : at + size;
  if (at < 0) return step > 0 ? 0 : -1;
  if (at >= size) return step > 0 ? size : size - 1;
  return at;
}

absl::StatusOr<Value> LoopAttribute(Runtime& runtime, const Value& value,
                                    const std::string& name) {
  const Loop& loop = value.loop();
  const auto index = static_cast<int64_t>(loop.index);
  const auto length = static_cast<int64_t>(loop.items->size());
  if (name == "index") return Value::Int(index + 1);
  if (name == "index0") return Value::Int(index);
  if (name == "revindex") return Value::Int(length - index);
  if (name == "revindex0") return Value::Int(length - index - 1);
  if (name == "first") return Value::Bool(index == 0);
  if (name == "last") return Value::Bool(index + 1 == length);
  if (name == "length") return Value::Int(length);
  // Only recursive loops are deeper.
  if (name == "depth") return Value::Int(1);
  if (name == "depth0") return Value::Int(0);
  static const std::string* const kNoItem =
      new std::string("there is no previous or next item");
  if (name == "previtem") {
    return index > 0 ? (*loop.items)[loop.index - 1]
                     : Value::Undefined(kNoItem);
  }
  if (name == "nextitem") {
    return index + 1 < length ? (*loop.items)[loop.index + 1]
                              : Value::Undefined(kNoItem);
  }
  if (name == "cycle" || name == "changed") {
    return runtime.heap().NewMethod(value, name);
  }
  return Value::Undefined(&name);
}

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"'", "&#39;"},
                                    {"\"", "&#34;"}});
}

absl::StatusOr<Value> Arithmetic(Runtime& runtime, absl::string_view op,
                                 const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return Integers(op, a.integer(), b.integer());
  }
  if (a.is_number() && b.is_number()) {
    return Floats(op, a.number(), b.number());
  }
  if (op == "+" && ((a.is_string() && b.is_string()) ||
                    (IsListOrTuple(a) && IsListOrTuple(b) &&
                     a.sequence().type == b.sequence().type))) {
    return Join(runtime, a, b);
  }
  const auto repeatable = [](const Value& x) {
    return x.is_string() || IsListOrTuple(x);
  };
  if (op == "*" && repeatable(a) && b.is_integral()) {
    return Repeat(runtime, a, b.integer());
  }
  if (op == "*" && a.is_integral() && repeatable(b)) {
    return Repeat(runtime, b, a.integer());
  }
  if (op == "%" && a.is_string()) {
    if (a.markup()) return WrongType("format as a text marked safe", b);
    return FormatPercent(runtime, a.text(), b);
  }
  return BadOperands(op, a, b);
}

absl::StatusOr<Value> Negative(const Value& value) {
  if (value.is(Kind::kFloat)) return Value::Float(-value.number());
  if (value.is_integral()) return Integers("-", 0, value.integer());
  return WrongType("negate", value);
}

absl::StatusOr<bool> Compare(Runtime& runtime, absl::string_view op,
                             const Value& a, const Value& b) {
  if (op == "in") return Contains(runtime, a, b);
  AHA_RETURN_IF_ERROR(runtime.WorkOn(a));
  AHA_RETURN_IF_ERROR(runtime.WorkOn(b));
  if (op == "==") return Equal(a, b);
  if (op == "!=") return !Equal(a, b);
  const auto nan = [](const Value& x) {
    return x.is(Kind::kFloat) && std::isnan(x.number());
  };
  AHA_ASSIGN_OR_RETURN(const int order, Order(a, b, 0));
  if (nan(a) || nan(b)) return false;
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

absl::StatusOr<Value> AttributeOf(Runtime& runtime, const Value& value,
                                  const std::string& name) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return UndefinedError(value);
    case Kind::kNamespace: {
      const Value* found = value.space().Find(name);
      return found != nullptr ? *found : Value::Undefined(&name);
    }
    case Kind::kLoop:
      return LoopAttribute(runtime, value, name);
    case Kind::kFunction:
    case Kind::kMethod:
      return Value::Undefined(&name);
    case Kind::kMacro:
      return absl::UnimplementedError(
          absl::StrCat("the attribute ", name, " of a macro is not supported"));
    default:
      break;
  }
  switch (FindMethod(value, name)) {
    case HasMethod::kYes:
      return runtime.heap().NewMethod(value, name);
    case HasMethod::kUnsafe:
      return Value::Undefined(&name);
    case HasMethod::kNo:
      break;
  }
  if (value.is(Kind::kDict)) {
    const Value* found = value.dict().Find(name);
    if (found != nullptr) return *found;
  }
  return Value::Undefined(&name);
}

absl::StatusOr<Value> ItemOf(Runtime& runtime, const Value& value,
                             const Value& key) {
  if (value.is_undefined()) return UndefinedError(value);
  if (value.is(Kind::kDict)) {
    if (const Value* found = value.dict().Find(key)) return *found;
  }
  if (key.is_string()) {
    // Of a dict the key was looked for.
    return AttributeOf(runtime, value, key.text());
  }
  if (!key.is_integral()) return Value();
  if (value.is_string()) {
    AHA_RETURN_IF_ERROR(runtime.Work(value.text().size() / 16));
    const std::vector<absl::string_view> all = Characters(value.text());
    const auto size = static_cast<int64_t>(all.size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at < 0 || at >= size) return Value();
    return runtime.heap().NewText(std::string(all[static_cast<size_t>(at)]),
                                  value.markup());
  }
  if (!value.is(Kind::kSequence) || !value.sequence().has_index()) {
    return Value();
  }
  const std::vector<Value>& items = value.sequence().items;
  const auto size = static_cast<int64_t>(items.size());
  const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
  if (at < 0 || at >= size) return Value();
  return items[static_cast<size_t>(at)];
}

absl::StatusOr<Value> SliceOf(Runtime& runtime, const Value& value,
                              const Value& start, const Value& stop,
                              const Value& step) {
  const bool text = value.is_string();
  if (!text && (!value.is(Kind::kSequence) || !value.sequence().has_index())) {
    return WrongType("slice", value);
  }
  int64_t by = 1;
  if (!step.is_undefined() && !step.is(Kind::kNone)) {
    if (!step.is_integral()) return WrongType("slice by", step);
    by = step.integer();
  }
  if (by == 0) {
    return absl::InvalidArgumentError("the step of a slice must not be 0");
  }
  AHA_RETURN_IF_ERROR(runtime.WorkOn(value));
  std::vector<absl::string_view> characters;
  if (text) characters = Characters(value.text());
  const auto size = static_cast<int64_t>(text ? characters.size()
                                              : value.sequence().items.size());
  AHA_ASSIGN_OR_RETURN(const int64_t from, SliceEnd(start, size, by, true));
  AHA_ASSIGN_OR_RETURN(const int64_t to, SliceEnd(stop, size, by, false));
  std::string out_text;
  std::vector<Value> out;
  for (int64_t i = from; by > 0 ? i < to : i > to;) {
    if (text) {
      absl::StrAppend(&out_text, characters[static_cast<size_t>(i)]);
    } else {
      out.push_back(value.sequence().items[static_cast<size_t>(i)]);
    }
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  if (text) {
    return runtime.heap().NewText(std::move(out_text), value.markup());
  }
  return runtime.heap().NewSequence(std::move(out), value.sequence().type);
}

}  // namespace aha::jinja
