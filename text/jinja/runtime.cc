#include "text/jinja/runtime.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace aha::jinja {

absl::StatusOr<Bound> Bound::Of(
    const Arguments& arguments,
    std::initializer_list<absl::string_view> parameters) {
  Bound bound;
  bound.names_ = parameters;
  bound.values_.resize(parameters.size());
  if (arguments.positional.size() > parameters.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("takes at most ", parameters.size(), " arguments, got ",
                     arguments.positional.size()));
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(),
            bound.values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(bound.names_.begin(), bound.names_.end(), name);
    if (at == bound.names_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("has no argument named ", name));
    }
    auto& place = bound.values_[static_cast<size_t>(at - bound.names_.begin())];
    if (place) {
      return absl::InvalidArgumentError(
          absl::StrCat("got the argument ", name, " twice"));
    }
    place = value;
  }
  return bound;
}

absl::StatusOr<Value> Bound::Required(size_t i) const {
  if (values_[i]) return *values_[i];
  return absl::InvalidArgumentError(
      absl::StrCat("needs the argument ", names_[i]));
}

absl::StatusOr<int64_t> Bound::Integer(size_t i, int64_t absent) const {
  if (!values_[i]) return absent;
  if (values_[i]->is_integral()) return values_[i]->integer();
  return absl::InvalidArgumentError(absl::StrCat(
      names_[i], " must be an integer, got a ", TypeName(*values_[i])));
}

absl::Status Runtime::Work(size_t steps) {
  steps_ += static_cast<int64_t>(
      std::min(steps, static_cast<size_t>(max_steps_) + 1));
  if (steps_ > max_steps_) {
    steps_ = max_steps_;
    return absl::InvalidArgumentError(absl::StrCat(
        "the template must not take more than ", max_steps_, " steps"));
  }
  return heap_.Check();
}

absl::Status Runtime::WorkOn(const Value& value) {
  return Work(CostOf(value, static_cast<size_t>(max_steps_ - steps_)));
}

absl::StatusOr<std::string> Runtime::TextOf(const Value& value) {
  AHA_RETURN_IF_ERROR(WorkOn(value));
  return ToText(value, heap_.remaining());
}

absl::StatusOr<Value> Runtime::TextValueOf(const Value& value) {
  if (value.is_string()) return value;
  AHA_ASSIGN_OR_RETURN(std::string text, TextOf(value));
  return heap_.NewText(std::move(text));
}

absl::StatusOr<std::vector<Value>> Runtime::ItemsOf(const Value& value) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined:
      break;
    case Kind::kString:
      AHA_RETURN_IF_ERROR(Work(value.text().size()));
      AHA_RETURN_IF_ERROR(heap_.Reserve(value.text().size() * 64));
      for (const absl::string_view c : Characters(value.text())) {
        items.push_back(heap_.NewText(std::string(c)));
      }
      break;
    case Kind::kSequence: {
      Sequence& sequence = value.sequence();
      AHA_RETURN_IF_ERROR(Work(sequence.items.size() / 8));
      items.assign(
          sequence.items.begin() + static_cast<ptrdiff_t>(sequence.next),
          sequence.items.end());
      if (!sequence.has_length()) sequence.next = sequence.items.size();
      break;
    }
    case Kind::kDict:
      AHA_RETURN_IF_ERROR(Work(value.dict().items().size() / 8));
      for (const auto& [key, item] : value.dict().items()) {
        items.push_back(key);
      }
      break;
    default:
      return WrongType("iterate over", value);
  }
  return items;
}

absl::Status UndefinedError(const Value& value) {
  const std::string* name = value.undefined_name();
  return absl::InvalidArgumentError(
      name == nullptr ? std::string("the value is undefined")
                      : absl::StrCat("'", *name, "' is undefined"));
}

absl::Status WrongType(absl::string_view what, const Value& value) {
  if (value.is_undefined()) return UndefinedError(value);
  return absl::InvalidArgumentError(
      absl::StrCat("cannot ", what, " a ", TypeName(value)));
}

}  // namespace aha::jinja
