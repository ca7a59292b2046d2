// What the built-in functions, filters, tests and methods of templates are made
// of: their arguments, and the services of the interpreter that calls them.
//
// Errors say what is wrong without the line, which the interpreter adds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "text/jinja/value.h"

namespace aha::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<absl::string_view, Value>> named;
};

// Arguments in the order of the parameters that they belong to.
class Bound {
 public:
  // INVALID_ARGUMENT: there are too many, or one of another name.
  static absl::StatusOr<Bound> Of(
      const Arguments& arguments,
      std::initializer_list<absl::string_view> parameters);

  // nullptr if it is absent.
  const Value* Get(size_t i) const {
    return values_[i] ? &*values_[i] : nullptr;
  }
  Value Or(size_t i, const Value& absent) const {
    return values_[i].value_or(absent);
  }
  // INVALID_ARGUMENT if it is absent.
  absl::StatusOr<Value> Required(size_t i) const;
  // INVALID_ARGUMENT if it is neither absent nor an integer.
  absl::StatusOr<int64_t> Integer(size_t i, int64_t absent) const;

 private:
  std::vector<std::optional<Value>> values_;
  std::vector<absl::string_view> names_;
};

class Runtime {
 public:
  Runtime(int64_t max_steps, size_t max_bytes,
          std::optional<absl::CivilSecond> now)
      : heap_(max_bytes), max_steps_(max_steps), now_(now) {}

  Heap& heap() { return heap_; }
  // What strftime_now formats; nothing: the function is not defined.
  const std::optional<absl::CivilSecond>& now() const { return now_; }

  // Counts steps. INVALID_ARGUMENT: there are more than max_steps.
  absl::Status Work(size_t steps);
  // Counts what reading the whole value costs.
  absl::Status WorkOn(const Value& value);

  // str(value), and as a value.
  absl::StatusOr<std::string> TextOf(const Value& value);
  absl::StatusOr<Value> TextValueOf(const Value& value);
  // What a for loop over the value visits; reads an iterator to its end.
  absl::StatusOr<std::vector<Value>> ItemsOf(const Value& value);

 private:
  Heap heap_;
  int64_t steps_ = 0;
  const int64_t max_steps_;
  const std::optional<absl::CivilSecond> now_;
};

// "'x' is undefined", for an operation that needs a value.
absl::Status UndefinedError(const Value& value);
// INVALID_ARGUMENT: `what` is not possible with a value of this type.
absl::Status WrongType(absl::string_view what, const Value& value);

// A global function.
struct Function {
  absl::string_view name;
  absl::StatusOr<Value> (*call)(Runtime& runtime, const Arguments& arguments);
};
// nullptr if there is none.
const Function* FindFunction(absl::string_view name);

using Filter = absl::StatusOr<Value> (*)(Runtime& runtime, const Value& input,
                                         const Arguments& arguments);
using Test = absl::StatusOr<bool> (*)(Runtime& runtime, const Value& input,
                                      const Arguments& arguments);
// UNIMPLEMENTED if there is none.
absl::StatusOr<Filter> FindFilter(absl::string_view name);
absl::StatusOr<Test> FindTest(absl::string_view name);

// Calls the method `name` of a text, list or dict.
absl::StatusOr<Value> CallMethod(Runtime& runtime, const Method& method,
                                 const Arguments& arguments);
// Whether a value of this kind has the method: then an attribute is that
// method. A method that would change the value counts as kUnsafe.
enum class HasMethod { kNo, kYes, kUnsafe };
HasMethod FindMethod(const Value& value, absl::string_view name);

// value.name and value[key], as Jinja's sandbox looks them up: undefined if
// there is none. `name` must outlive the rendering.
absl::StatusOr<Value> AttributeOf(Runtime& runtime, const Value& value,
                                  const std::string& name);
absl::StatusOr<Value> ItemOf(Runtime& runtime, const Value& value,
                             const Value& key);
// value[start:stop:step]; undefined stands for an absent part.
absl::StatusOr<Value> SliceOf(Runtime& runtime, const Value& value,
                              const Value& start, const Value& stop,
                              const Value& step);

// One of + - * / // % **.
absl::StatusOr<Value> Arithmetic(Runtime& runtime, absl::string_view op,
                                 const Value& a, const Value& b);
absl::StatusOr<Value> Negative(const Value& value);
// One of == != < <= > >= in.
absl::StatusOr<bool> Compare(Runtime& runtime, absl::string_view op,
                             const Value& a, const Value& b);
// Python's text % value.
absl::StatusOr<Value> FormatPercent(Runtime& runtime, absl::string_view format,
                                    const Value& value);
// The text with & < > ' " as entities.
std::string EscapeHtml(absl::string_view text);

}  // namespace aha::jinja
