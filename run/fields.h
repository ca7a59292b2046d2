// One description of a file's content, from which it is written and read.
//
// A struct that stands in a file names each of its members once:
//
//   template <class Fields, class Self>  // Self: Point or const Point.
//   void DescribeFields(Fields& fields, Self& point, Point*) {
//     fields("x", point.x);
//     fields("y", point.y);
//   }
//
// ToJson(point), ToLine(point) and FromJson<Point>(json) follow from it, so a
// key cannot be written that is not read.  Reading is lenient: what is missing
// or has another type keeps the member's default, and unknown keys are
// ignored.
//
// A member is a text, a number, a bool, a JobState, a list of numbers or
// structs, an optional of these (absent or null: nothing), or a map from text
// to numbers or structs.  A number that is not finite is written as null.
//
// Internal to run/.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/lenient_json.h"
#include "run/job_view.h"

namespace aha::run {

template <class T>
concept Number = std::is_arithmetic_v<T> && !std::same_as<T, bool>;

// Writes one object on one line.  Numbers have the fewest digits that read
// back as the same number of their own type: a float has fewer than a double.
class LineFields {
 public:
  template <class T>
  void operator()(absl::string_view key, const T& value) {
    Key(key);
    Put(value);
  }
  template <class T>
  void operator()(absl::string_view key, const std::optional<T>& value) {
    if (value.has_value()) (*this)(key, *value);
  }
  // Writes a text or a list only if it is not empty.
  template <class T>
  void NotEmpty(absl::string_view key, const T& value) {
    if (!value.empty()) (*this)(key, value);
  }
  template <class Members>
  void Object(absl::string_view key, const Members& members) {
    Key(key);
    LineFields inner;
    members(inner);
    text_ += inner.Finish();
  }
  // Members that stand beside the described ones under names of their own.
  void Rest(const std::map<std::string, double>& values) {
    for (const auto& [name, value] : values) (*this)(name, value);
  }

  std::string Finish() { return text_ + "}"; }

 private:
  void Key(absl::string_view key) {
    absl::StrAppend(&text_, text_.size() > 1 ? "," : "", ToJsonString(key),
                    ":");
  }

  void Put(const std::string& value) { text_ += ToJsonString(value); }
  void Put(bool value) { text_ += value ? "true" : "false"; }
  template <Number T>
  void Put(T value) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) {
        text_ += "null";
        return;
      }
    }
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
    const absl::string_view digits(buffer,
                                   static_cast<size_t>(end.ptr - buffer));
    text_.append(digits.data(), digits.size());
    // A reader in a typed language sees that the value is not an integer.
    if (std::is_floating_point_v<T> &&
        digits.find_first_of(".e") == absl::string_view::npos) {
      text_ += ".0";
    }
  }
  template <class T>
  void Put(const std::vector<T>& values) {
    text_ += '[';
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) text_ += ',';
      Put(values[i]);
    }
    text_ += ']';
  }
  template <class T>
  void Put(const std::vector<std::pair<std::string, T>>& values) {
    LineFields inner;
    for (const auto& [name, value] : values) inner(name, value);
    text_ += inner.Finish();
  }
  template <class T>
  void Put(const std::map<std::string, T>& values) {
    LineFields inner;
    for (const auto& [name, value] : values) inner(name, value);
    text_ += inner.Finish();
  }
  void Put(JobState value) { text_ += ToJsonString(StateName(value)); }
  template <class T>
  requires std::is_class_v<T>
  void Put(const T& value) {
    LineFields inner;
    DescribeFields(inner, value, static_cast<T*>(nullptr));
    text_ += inner.Finish();
  }

  std::string text_ = "{";
};

// Fills members from one object.
class ReadFields {
 public:
  explicit ReadFields(const Json& object) : object_(object) {}

  template <class T>
  void operator()(absl::string_view key, T& value) {
    known_.emplace_back(key);
    Take(MemberOrNull(object_, key), &value);
  }
  template <class T>
  void NotEmpty(absl::string_view key, T& value) {
    (*this)(key, value);
  }
  template <class Members>
  void Object(absl::string_view key, const Members& members) {
    known_.emplace_back(key);
    ReadFields inner(MemberOrNull(object_, key));
    members(inner);
  }
  // Every number under a name that was not described so far.
  void Rest(std::map<std::string, double>& values) {
    if (!object_.is_object()) return;
    for (const auto& [name, value] : object_.items()) {
      if (value.is_number() && !Known(name)) values[name] = value.get<double>();
    }
  }

 private:
  bool Known(absl::string_view name) const {
    for (const std::string& known : known_) {
      if (known == name) return true;
    }
    return false;
  }

  static void Take(const Json& json, std::string* value) {
    if (json.is_string()) *value = json.get<std::string>();
  }
  static void Take(const Json& json, bool* value) {
    if (json.is_boolean()) *value = json.get<bool>();
  }
  template <Number T>
  static void Take(const Json& json, T* value) {
    if (!json.is_number()) return;
    if constexpr (std::is_floating_point_v<T>) {
      // What no T holds is as good as none.
      const auto number = json.get<double>();
      if (std::abs(number) <= std::numeric_limits<T>::max()) {
        *value = static_cast<T>(number);
      }
    } else if (json.is_number_integer()) {
      // A number that does not fit is as good as none.
      const bool fits = json.is_number_unsigned()
                            ? std::in_range<T>(json.get<uint64_t>())
                            : std::in_range<T>(json.get<int64_t>());
      if (fits) *value = json.get<T>();
    } else if (const double number = json.get<double>();
               number >= 0 &&
               number < static_cast<double>(std::numeric_limits<T>::max())) {
      *value = static_cast<T>(number);
    }
  }
  template <class T>
  static void Take(const Json& json, std::optional<T>* value) {
    if (json.is_null()) return;
    if (Number<T> ? !json.is_number() : !json.is_object()) return;
    Take(json, &value->emplace());
  }
  template <class T>
  static void Take(const Json& json, std::vector<T>* values) {
    if (!json.is_array()) return;
    for (const Json& element : json) Take(element, &values->emplace_back());
  }
  template <class T>
  static void Take(const Json& json,
                   std::vector<std::pair<std::string, T>>* values) {
    if (!json.is_object()) return;
    for (const auto& [name, value] : json.items()) {
      if (Number<T> ? !value.is_number() : !value.is_object()) continue;
      Take(value, &values->emplace_back(name, T()).second);
    }
  }
  template <class T>
  static void Take(const Json& json, std::map<std::string, T>* values) {
    if (!json.is_object()) return;
    for (const auto& [name, value] : json.items()) {
      if (value.is_number()) (*values)[name] = value.template get<T>();
    }
  }
  static void Take(const Json& json, JobState* value) {
    if (json.is_string()) *value = ParseState(json.get<std::string>());
  }
  template <class T>
  requires std::is_class_v<T>
  static void Take(const Json& json, T* value) {
    ReadFields inner(json);
    DescribeFields(inner, *value, static_cast<T*>(nullptr));
  }

  const Json& object_;
  std::vector<std::string> known_;
};

template <class T>
std::string ToLine(const T& value) {
  LineFields fields;
  DescribeFields(fields, value, static_cast<T*>(nullptr));
  return fields.Finish();
}

template <class T>
Json ToJson(const T& value) {
  return ParseStoredJson(ToLine(value), "fields").value();
}

template <class T>
T FromJson(const Json& json) {
  T value;
  ReadFields fields(json);
  DescribeFields(fields, value, static_cast<T*>(nullptr));
  return value;
}

}  // namespace aha::run
