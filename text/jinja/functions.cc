// The global functions of templates, of text/jinja/runtime.h: Jinja's range,
// dict and namespace, and transformers' raise_exception and strftime_now.
#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/jinja/runtime.h"
#include "text/tokenizer_bytes.h"

namespace aha::jinja {
namespace {

constexpr int64_t kMaxRange = 100000;  // The limit of Jinja's sandbox.

absl::StatusOr<Value> Range(Runtime& runtime, const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound,
                       Bound::Of(arguments, {"start", "stop", "step"}));
  AHA_RETURN_IF_ERROR(bound.Required(0).status());
  AHA_ASSIGN_OR_RETURN(int64_t start, bound.Integer(0, 0));
  AHA_ASSIGN_OR_RETURN(int64_t stop, bound.Integer(1, 0));
  AHA_ASSIGN_OR_RETURN(const int64_t step, bound.Integer(2, 1));
  if (bound.Get(1) == nullptr) stop = std::exchange(start, 0);
  if (step == 0) {
    return absl::InvalidArgumentError("the step of range must not be 0");
  }
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (items.size() == kMaxRange) {
      return absl::InvalidArgumentError(absl::StrCat(
          "range must not have more than ", kMaxRange, " numbers"));
    }
    items.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  AHA_RETURN_IF_ERROR(runtime.Work(items.size() / 8));
  return runtime.heap().NewSequence(std::move(items), Sequence::Type::kRange);
}

// Adds the entries of a mapping, or the pairs of another iterable.
absl::Status AddEntries(Runtime& runtime, const Value& source, Dict* dict) {
  if (source.is(Kind::kDict)) {
    AHA_RETURN_IF_ERROR(runtime.Work(source.dict().items().size()));
    for (const auto& [key, value] : source.dict().items()) {
      runtime.heap().Set(dict, key, value);
    }
    return absl::OkStatus();
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime.ItemsOf(source));
  for (const Value& item : items) {
    AHA_ASSIGN_OR_RETURN(const std::vector<Value> pair, runtime.ItemsOf(item));
    if (pair.size() != 2) {
      return absl::InvalidArgumentError("an entry of a dict must be a pair");
    }
    if (!Dict::IsKey(pair[0])) return WrongType("use as a key", pair[0]);
    runtime.heap().Set(dict, pair[0], pair[1]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Value> MakeDict(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() > 1) {
    return absl::InvalidArgumentError("takes at most 1 argument");
  }
  const Value out = runtime.heap().NewDict();
  for (const Value& source : arguments.positional) {
    AHA_RETURN_IF_ERROR(AddEntries(runtime, source, &out.dict()));
  }
  for (const auto& [name, value] : arguments.named) {
    runtime.heap().Set(&out.dict(), runtime.heap().NewText(std::string(name)),
                       value);
  }
  return out;
}

absl::StatusOr<Value> MakeNamespace(Runtime& runtime,
                                    const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Value dict, MakeDict(runtime, arguments));
  const Value out = runtime.heap().NewNamespace();
  for (const auto& [key, value] : dict.dict().items()) {
    if (!key.is_string()) return WrongType("name an attribute by", key);
    out.space().Set(key.text(), value);
  }
  return out;
}

absl::StatusOr<Value> RaiseException(Runtime& runtime,
                                     const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"message"}));
  AHA_ASSIGN_OR_RETURN(const Value message, bound.Required(0));
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime.TextOf(message));
  return absl::InvalidArgumentError(
      absl::StrCat("the template refuses it: ", Quote(text, 400)));
}

absl::StatusOr<Value> StrftimeNow(Runtime& runtime,
                                  const Arguments& arguments) {
  AHA_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(arguments, {"format"}));
  AHA_ASSIGN_OR_RETURN(const Value format, bound.Required(0));
  if (!format.is_string()) return WrongType("format a date by", format);
  const std::string& text = format.text();
  for (size_t at = text.find('%'); at != text.npos;
       at = text.find('%', at + 2)) {
    const bool dash =
        absl::StartsWith(absl::string_view(text).substr(at + 1), "-");
    const size_t letter = at + (dash ? 2 : 1);
    if (letter >= text.size() ||
        !absl::StrContains("aAbBdmyYHMSIpjF%", text.substr(letter, 1))) {
      return absl::UnimplementedError(
          absl::StrCat("the date format ", Quote(text), " is not supported"));
    }
    if (dash) ++at;
  }
  if (text.empty()) return runtime.heap().NewText("");
  const absl::CivilSecond now = *runtime.now();
  std::tm tm = {};
  tm.tm_year = static_cast<int>(now.year() - 1900);
  tm.tm_mon = now.month() - 1;
  tm.tm_mday = now.day();
  tm.tm_hour = now.hour();
  tm.tm_min = now.minute();
  tm.tm_sec = now.second();
  tm.tm_yday = absl::GetYearDay(absl::CivilDay(now)) - 1;
  tm.tm_wday = (static_cast<int>(absl::GetWeekday(now)) + 1) % 7;
  std::string out(text.size() * 16 + 64, '\0');
  out.resize(std::strftime(out.data(), out.size(), text.c_str(), &tm));
  return runtime.heap().NewText(std::move(out));
}

constexpr Function kFunctions[] = {{"dict", MakeDict},
                                   {"namespace", MakeNamespace},
                                   {"raise_exception", RaiseException},
                                   {"range", Range},
                                   {"strftime_now", StrftimeNow}};

}  // namespace

const Function* FindFunction(absl::string_view name) {
  for (const Function& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace aha::jinja
