// The tests of templates (`x is defined`), of text/jinja/runtime.h.
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"

namespace aha::jinja {
namespace {

using TestResult = absl::StatusOr<bool>;

absl::Status NoArguments(const Arguments& arguments) {
  if (arguments.positional.empty() && arguments.named.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("takes no argument");
}

template <bool (*is)(const Value&)>
TestResult Is(Runtime&, const Value& value, const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(NoArguments(arguments));
  return is(value);
}

bool Defined(const Value& value) { return !value.is_undefined(); }
bool IsUndefined(const Value& value) { return value.is_undefined(); }
bool IsNone(const Value& value) { return value.is(Kind::kNone); }
bool IsBoolean(const Value& value) { return value.is(Kind::kBool); }
bool IsTrue(const Value& value) { return IsBoolean(value) && Truth(value); }
bool IsFalse(const Value& value) { return IsBoolean(value) && !Truth(value); }
bool IsInteger(const Value& value) { return value.is(Kind::kInt); }
bool IsFloat(const Value& value) { return value.is(Kind::kFloat); }
bool IsNumber(const Value& value) { return value.is_number(); }
bool IsString(const Value& value) { return value.is_string(); }
bool IsMapping(const Value& value) { return value.is(Kind::kDict); }
bool IsSequence(const Value& value) {
  return value.is_string() || value.is_undefined() || value.is(Kind::kDict) ||
         (value.is(Kind::kSequence) && value.sequence().has_index());
}
bool IsIterable(const Value& value) {
  return value.is_string() || value.is_undefined() || value.is(Kind::kDict) ||
         value.is(Kind::kSequence);
}
bool IsCallable(const Value& value) {
  return value.is(Kind::kMacro) || value.is(Kind::kFunction) ||
         value.is(Kind::kMethod) || value.is(Kind::kLoop) ||
         value.is_undefined();
}

TestResult OneArgument(Runtime& runtime, absl::string_view op, const Value& a,
                       const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"other"}));
  AHA_ASSIGN_OR_RETURN(const Value b, bound.Required(0));
  return Compare(runtime, op, a, b);
}

TestResult EqualTo(Runtime& runtime, const Value& a,
                   const Arguments& arguments) {
  return OneArgument(runtime, "==", a, arguments);
}
TestResult NotEqualTo(Runtime& runtime, const Value& a,
                      const Arguments& arguments) {
  return OneArgument(runtime, "!=", a, arguments);
}
TestResult Less(Runtime& runtime, const Value& a, const Arguments& arguments) {
  return OneArgument(runtime, "<", a, arguments);
}
TestResult LessOrEqual(Runtime& runtime, const Value& a,
                       const Arguments& arguments) {
  return OneArgument(runtime, "<=", a, arguments);
}
TestResult Greater(Runtime& runtime, const Value& a,
                   const Arguments& arguments) {
  return OneArgument(runtime, ">", a, arguments);
}
TestResult GreaterOrEqual(Runtime& runtime, const Value& a,
                          const Arguments& arguments) {
  return OneArgument(runtime, ">=", a, arguments);
}
TestResult In(Runtime& runtime, const Value& a, const Arguments& arguments) {
  return OneArgument(runtime, "in", a, arguments);
}

TestResult SameAs(Runtime&, const Value& a, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"other"}));
  AHA_ASSIGN_OR_RETURN(const Value b, bound.Required(0));
  if (a.kind() == b.kind() && (a.is_string() || IsNumber(a)) && !IsBoolean(a)) {
    return absl::UnimplementedError(
        "sameas of two texts or two numbers is not supported: use ==");
  }
  return a.SameObject(b);
}

TestResult Remainder(Runtime& runtime, const Value& value, int64_t by,
                     int64_t wanted) {
  AHA_ASSIGN_OR_RETURN(const Value rest,
                       Arithmetic(runtime, "%", value, Value::Int(by)));
  return Equal(rest, Value::Int(wanted));
}

TestResult Odd(Runtime& runtime, const Value& value,
               const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(NoArguments(arguments));
  return Remainder(runtime, value, 2, 1);
}
TestResult Even(Runtime& runtime, const Value& value,
                const Arguments& arguments) {
  AHA_RETURN_IF_ERROR(NoArguments(arguments));
  return Remainder(runtime, value, 2, 0);
}
TestResult DivisibleBy(Runtime& runtime, const Value& value,
                       const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"num"}));
  AHA_RETURN_IF_ERROR(bound.Required(0).status());
  AHA_ASSIGN_OR_RETURN(const int64_t by, bound.Integer(0, 1));
  return Remainder(runtime, value, by, 0);
}

TestResult HasCase(Runtime& runtime, const Value& value, const char* method) {
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(value));
  return HasClass(text, method).value_or(false);
}
TestResult IsUpper(Runtime& runtime, const Value& value, const Arguments&) {
  return HasCase(runtime, value, "isupper");
}
TestResult IsLower(Runtime& runtime, const Value& value, const Arguments&) {
  return HasCase(runtime, value, "islower");
}

constexpr struct {
  absl::string_view name;
  Test test;
} kTests[] = {{"!=", NotEqualTo},
              {"<", Less},
              {"<=", LessOrEqual},
              {"==", EqualTo},
              {">", Greater},
              {">=", GreaterOrEqual},
              {"boolean", Is<IsBoolean>},
              {"callable", Is<IsCallable>},
              {"defined", Is<Defined>},
              {"divisibleby", DivisibleBy},
              {"eq", EqualTo},
              {"equalto", EqualTo},
              {"even", Even},
              {"false", Is<IsFalse>},
              {"float", Is<IsFloat>},
              {"ge", GreaterOrEqual},
              {"greaterthan", Greater},
              {"gt", Greater},
              {"in", In},
              {"integer", Is<IsInteger>},
              {"iterable", Is<IsIterable>},
              {"le", LessOrEqual},
              {"lessthan", Less},
              {"lower", IsLower},
              {"lt", Less},
              {"mapping", Is<IsMapping>},
              {"ne", NotEqualTo},
              {"none", Is<IsNone>},
              {"number", Is<IsNumber>},
              {"odd", Odd},
              {"sameas", SameAs},
              {"sequence", Is<IsSequence>},
              {"string", Is<IsString>},
              {"true", Is<IsTrue>},
              {"undefined", Is<IsUndefined>},
              {"upper", IsUpper}};

}  // namespace

absl::StatusOr<Test> FindTest(absl::string_view name) {
  for (const auto& row : kTests) {
    if (row.name == name) return row.test;
  }
  return absl::UnimplementedError(
      absl::StrCat("the test ", name, " is not supported"));
}

}  // namespace aha::jinja
