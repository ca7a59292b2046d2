#include "text/jinja/sequence_filters.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "text/jinja/python_text.h"

namespace aha::jinja::filters {
namespace {

using Result = absl::StatusOr<Value>;
using SequenceType = Sequence::Type;

// Looks up "a.b.0", part by part; `path` is undefined for the value itself.
// `absent` takes the place of what is undefined on the way.
Result LookUp(Runtime& runtime, Value value, const Value& path,
              const Value& absent = Value()) {
  const bool has_default = !absent.is_undefined() && !absent.is(Kind::kNone);
  if (path.is_undefined() || path.is(Kind::kNone)) return value;
  if (path.is_integral()) {
    AHA_ASSIGN_OR_RETURN(value, ItemOf(runtime, value, path));
    return has_default && value.is_undefined() ? absent : value;
  }
  if (!path.is_string()) return WrongType("look up an attribute by", path);
  for (const absl::string_view part : absl::StrSplit(path.text(), '.')) {
    int64_t index = 0;
    const Value key = absl::SimpleAtoi(part, &index)
                          ? Value::Int(index)
                          : runtime.heap().NewText(std::string(part));
    AHA_ASSIGN_OR_RETURN(value, ItemOf(runtime, value, key));
    if (has_default && value.is_undefined()) value = absent;
  }
  return value;
}

// What values are compared by: texts in lower case unless case matters.
Result SortKey(Runtime& runtime, const Value& item, const Value& attribute,
               bool case_sensitive) {
  AHA_ASSIGN_OR_RETURN(const Value key, LookUp(runtime, item, attribute));
  if (case_sensitive || !key.is_string()) return key;
  AHA_RETURN_IF_ERROR(runtime.WorkOn(key));
  return runtime.heap().NewText(Lower(key.text()));
}

absl::StatusOr<std::vector<Value>> SortKeys(Runtime& runtime,
                                            const std::vector<Value>& items,
                                            const Value& attribute,
                                            bool case_sensitive) {
  if (attribute.is_string() &&
      attribute.text().find(',') != std::string::npos) {
    return absl::UnimplementedError("several attributes are not supported");
  }
  std::vector<Value> keys;
  for (const Value& item : items) {
    AHA_ASSIGN_OR_RETURN(keys.emplace_back(),
                         SortKey(runtime, item, attribute, case_sensitive));
  }
  return keys;
}

// The items in the stable order of their keys.
absl::StatusOr<std::vector<Value>> SortBy(Runtime& runtime,
                                          const std::vector<Value>& items,
                                          const std::vector<Value>& keys,
                                          bool reverse) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  absl::Status failed;
  const auto less = [&](size_t a, size_t b) {
    if (!failed.ok()) return false;
    const auto result = reverse ? Compare(runtime, "<", keys[b], keys[a])
                                : Compare(runtime, "<", keys[a], keys[b]);
    failed = result.status();
    return result.ok() && *result;
  };
  // A merge sort, which stays in bounds whatever `less` answers.
  std::stable_sort(order.begin(), order.end(), less);
  AHA_RETURN_IF_ERROR(failed);
  std::vector<Value> out;
  for (const size_t i : order) out.push_back(items[i]);
  return out;
}

// The least or greatest item; undefined if there is none.
Result Extreme(Runtime& runtime, const Value& input, const Arguments& arguments,
               absl::string_view better) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"case_sensitive", "attribute"}));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                       SortKeys(runtime, items, bound.Or(1, Value()),
                                Truth(bound.Or(0, Value::Bool(false)))));
  if (items.empty()) return Value();
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(const bool wins,
                         Compare(runtime, better, keys[i], keys[best]));
    if (wins) best = i;
  }
  return items[best];
}

// Removes the first positional argument. REQUIRES: it exists.
absl::StatusOr<Value> TakeFirst(Arguments* arguments, absl::string_view what) {
  if (arguments->positional.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("needs ", what));
  }
  const Value first = arguments->positional.front();
  arguments->positional.erase(arguments->positional.begin());
  return first;
}

// select, reject, selectattr and rejectattr.
Result Choose(Runtime& runtime, const Value& input, Arguments arguments,
              bool by_attribute, bool wanted) {
  // Jinja looks at nothing else of a value that counts as false.
  if (!Truth(input))
    return runtime.heap().NewSequence({}, SequenceType::kIterator);
  Value attribute;
  if (by_attribute) {
    AHA_ASSIGN_OR_RETURN(attribute, TakeFirst(&arguments, "an attribute"));
  }
  Test test = nullptr;
  if (!arguments.positional.empty()) {
    AHA_ASSIGN_OR_RETURN(const Value name, TakeFirst(&arguments, "a test"));
    if (!name.is_string()) return WrongType("name a test by", name);
    AHA_ASSIGN_OR_RETURN(test, FindTest(name.text()));
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  std::vector<Value> out;
  for (const Value& item : items) {
    AHA_RETURN_IF_ERROR(runtime.Work(1));
    AHA_ASSIGN_OR_RETURN(const Value value, LookUp(runtime, item, attribute));
    bool holds = Truth(value);
    if (test != nullptr) {
      AHA_ASSIGN_OR_RETURN(holds, test(runtime, value, arguments));
    }
    if (holds == wanted) out.push_back(item);
  }
  return runtime.heap().NewSequence(std::move(out), SequenceType::kIterator);
}

}  // namespace

Result DictSort(Runtime& runtime, const Value& input,
                const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(arguments, {"case_sensitive", "by", "reverse"}));
  if (!input.is(Kind::kDict)) return WrongType("sort as a dict", input);
  int64_t part = 0;
  if (const Value* by = bound.Get(1)) {
    const bool known =
        by->is_string() && (by->text() == "key" || by->text() == "value");
    if (!known) return absl::InvalidArgumentError("by must be key or value");
    part = by->text() == "value" ? 1 : 0;
  }
  std::vector<Value> items;
  for (const auto& [key, value] : input.dict().items()) {
    items.push_back(
        runtime.heap().NewSequence({key, value}, SequenceType::kTuple));
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                       SortKeys(runtime, items, Value::Int(part),
                                Truth(bound.Or(0, Value::Bool(false)))));
  AHA_ASSIGN_OR_RETURN(
      std::vector<Value> sorted,
      SortBy(runtime, items, keys, Truth(bound.Or(2, Value::Bool(false)))));
  return runtime.heap().NewSequence(std::move(sorted));
}

Result First(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  if (input.is(Kind::kSequence) && !input.sequence().has_length()) {
    Sequence& sequence = input.sequence();
    if (sequence.next == sequence.items.size()) return Value();
    return sequence.items[sequence.next++];
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  return items.empty() ? Value() : items.front();
}

Result Last(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  if (input.is(Kind::kSequence) && !input.sequence().has_length()) {
    return WrongType("take the last item of", input);
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  return items.empty() ? Value() : items.back();
}

Result Items(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  std::vector<Value> out;
  if (!input.is_undefined()) {
    if (!input.is(Kind::kDict)) return WrongType("take the entries of", input);
    AHA_RETURN_IF_ERROR(runtime.Work(input.dict().items().size()));
    for (const auto& [key, value] : input.dict().items()) {
      out.push_back(
          runtime.heap().NewSequence({key, value}, SequenceType::kTuple));
    }
  }
  return runtime.heap().NewSequence(std::move(out), SequenceType::kIterator);
}

Result Join(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"d", "attribute"}));
  std::string separator;
  if (const Value* d = bound.Get(0)) {
    AHA_ASSIGN_OR_RETURN(separator, runtime.TextOf(*d));
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(const Value item,
                         LookUp(runtime, items[i], bound.Or(1, Value())));
    AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(item));
    AHA_RETURN_IF_ERROR(runtime.Work(separator.size() / 64));
    absl::StrAppend(&out, i > 0 ? separator : "", text);
    AHA_RETURN_IF_ERROR(runtime.heap().Reserve(out.size()));
  }
  return runtime.heap().NewText(std::move(out));
}

Result Length(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  size_t length = 0;
  if (input.is_string()) {
    AHA_RETURN_IF_ERROR(runtime.WorkOn(input));
    length = aha::jinja::Length(input.text());
  } else if (input.is(Kind::kDict)) {
    length = input.dict().items().size();
  } else if (input.is(Kind::kSequence) && input.sequence().has_length()) {
    length = input.sequence().items.size();
  } else if (input.is(Kind::kLoop)) {
    length = input.loop().items->size();
  } else if (!input.is_undefined()) {
    return WrongType("take the length of", input);
  }
  return Value::Int(static_cast<int64_t>(length));
}

Result List(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  AHA_ASSIGN_OR_RETURN(std::vector<Value> items, runtime.ItemsOf(input));
  return runtime.heap().NewSequence(std::move(items));
}

Result Map(Runtime& runtime, const Value& input, const Arguments& arguments) {
  Arguments rest = arguments;
  std::vector<Value> out;
  if (!Truth(input))
    return runtime.heap().NewSequence({}, SequenceType::kIterator);
  if (rest.positional.empty()) {
    AHA_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(rest, {"attribute", "default"}));
    AHA_ASSIGN_OR_RETURN(const Value attribute, bound.Required(0));
    AHA_ASSIGN_OR_RETURN(const std::vector<Value> items,
                         runtime.ItemsOf(input));
    for (const Value& item : items) {
      AHA_RETURN_IF_ERROR(runtime.Work(1));
      AHA_ASSIGN_OR_RETURN(const Value value, LookUp(runtime, item, attribute,
                                                     bound.Or(1, Value())));
      out.push_back(value);
    }
    return runtime.heap().NewSequence(std::move(out), SequenceType::kIterator);
  }
  AHA_ASSIGN_OR_RETURN(const Value name, TakeFirst(&rest, "a filter"));
  if (!name.is_string()) return WrongType("name a filter by", name);
  AHA_ASSIGN_OR_RETURN(const Filter filter, FindFilter(name.text()));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  for (const Value& item : items) {
    AHA_RETURN_IF_ERROR(runtime.Work(1));
    AHA_ASSIGN_OR_RETURN(out.emplace_back(), filter(runtime, item, rest));
  }
  return runtime.heap().NewSequence(std::move(out), SequenceType::kIterator);
}

Result Max(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return Extreme(runtime, input, arguments, ">");
}
Result Min(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return Extreme(runtime, input, arguments, "<");
}

Result Reject(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  return Choose(runtime, input, arguments, false, false);
}
Result RejectAttr(Runtime& runtime, const Value& input,
                  const Arguments& arguments) {
  return Choose(runtime, input, arguments, true, false);
}
Result Select(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  return Choose(runtime, input, arguments, false, true);
}
Result SelectAttr(Runtime& runtime, const Value& input,
                  const Arguments& arguments) {
  return Choose(runtime, input, arguments, true, true);
}

Result Reverse(Runtime& runtime, const Value& input,
               const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(Bound::Of(arguments, {}).status());
  if (input.is_string()) {
    return SliceOf(runtime, input, Value(), Value(), Value::Int(-1));
  }
  AHA_ASSIGN_OR_RETURN(std::vector<Value> items, runtime.ItemsOf(input));
  std::reverse(items.begin(), items.end());
  // Of a generator Jinja makes a list first.
  const bool iterator =
      input.is(Kind::kDict) ||
      (input.is(Kind::kSequence) && input.sequence().has_length());
  return runtime.heap().NewSequence(
      std::move(items),
      iterator ? SequenceType::kIterator : SequenceType::kList);
}

Result Sort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(arguments, {"reverse", "case_sensitive", "attribute"}));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                       SortKeys(runtime, items, bound.Or(2, Value()),
                                Truth(bound.Or(1, Value::Bool(false)))));
  AHA_ASSIGN_OR_RETURN(
      std::vector<Value> sorted,
      SortBy(runtime, items, keys, Truth(bound.Or(0, Value::Bool(false)))));
  return runtime.heap().NewSequence(std::move(sorted));
}

Result Sum(Runtime& runtime, const Value& input, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"attribute", "start"}));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  Value sum = bound.Or(1, Value::Int(0));
  for (const Value& item : items) {
    AHA_ASSIGN_OR_RETURN(const Value value,
                         LookUp(runtime, item, bound.Or(0, Value())));
    if (value.is_string()) return WrongType("sum", value);
    AHA_ASSIGN_OR_RETURN(sum, Arithmetic(runtime, "+", sum, value));
  }
  return sum;
}

Result Unique(Runtime& runtime, const Value& input,
              const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"case_sensitive", "attribute"}));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(input));
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                       SortKeys(runtime, items, bound.Or(1, Value()),
                                Truth(bound.Or(0, Value::Bool(false)))));
  const Value seen = runtime.heap().NewDict();
  std::vector<Value> out;
  for (size_t i = 0; i < items.size(); ++i) {
    AHA_RETURN_IF_ERROR(runtime.Work(1));
    if (!Dict::IsKey(keys[i])) return WrongType("find equals of", keys[i]);
    if (seen.dict().Find(keys[i]) != nullptr) continue;
    runtime.heap().Set(&seen.dict(), keys[i], Value::None());
    out.push_back(items[i]);
  }
  return runtime.heap().NewSequence(std::move(out), SequenceType::kIterator);
}

}  // namespace aha::jinja::filters
