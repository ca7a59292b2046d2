// The values that a template computes with, as Python has them: immutable but
// for a namespace's attributes, an iterator's position and a loop's state.
// Text is UTF-8, and lengths and indices count code points.
//
// A Value is a small handle. What it points to belongs to a Heap, to the
// template or to the caller's variables, all of which outlive the rendering, so
// no value is ever freed alone and a namespace may hold itself.
//
// Not thread-safe; each rendering has its own Heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace aha::jinja {

struct Sequence;
class Dict;
struct Namespace;
struct Macro;
struct Method;
struct Loop;
struct Function;
struct Statement;
class Scope;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSequence,
  kDict,
  kNamespace,
  kMacro,
  kFunction,  // A global function.
  kMethod,    // A method together with its object.
  kLoop,      // `loop` within a for loop.
};

class Value {
 public:
  Value() = default;  // Undefined, without a name.
  static Value None() { return Value(Kind::kNone); }
  static Value Bool(bool b);
  static Value Int(int64_t i);
  static Value Float(double f);
  // `text` must outlive the value. A markup text is one that the filter safe
  // made; only + treats it otherwise.
  static Value Text(const std::string* text, bool markup = false);
  // `name` says in errors what is undefined; nullptr: nothing is known.
  static Value Undefined(const std::string* name);
  static Value Of(Sequence* x) { return Value(Kind::kSequence, x); }
  static Value Of(Dict* x) { return Value(Kind::kDict, x); }
  static Value Of(Namespace* x) { return Value(Kind::kNamespace, x); }
  static Value Of(Macro* x) { return Value(Kind::kMacro, x); }
  static Value Of(Method* x) { return Value(Kind::kMethod, x); }
  static Value Of(Loop* x) { return Value(Kind::kLoop, x); }
  static Value Of(const Function* x);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_string() const { return kind_ == Kind::kString; }
  // A bool is a number in Python.
  bool is_integral() const;
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }
  bool markup() const { return markup_; }

  // REQUIRE the kind that they name; integer() and number() take every
  // integral or numeric one.
  int64_t integer() const { return int_; }
  double number() const;
  const std::string& text() const { return *text_; }
  Sequence& sequence() const { return *static_cast<Sequence*>(object_); }
  Dict& dict() const { return *static_cast<Dict*>(object_); }
  Namespace& space() const { return *static_cast<Namespace*>(object_); }
  Macro& macro() const { return *static_cast<Macro*>(object_); }
  Method& method() const { return *static_cast<Method*>(object_); }
  Loop& loop() const { return *static_cast<Loop*>(object_); }
  const Function& function() const;
  const std::string* undefined_name() const { return text_; }
  // Whether both are one object.
  bool SameObject(const Value& other) const;

 private:
  explicit Value(Kind kind, void* object = nullptr)
      : kind_(kind), object_(object) {}

  Kind kind_ = Kind::kUndefined;
  bool markup_ = false;
  union {
    void* object_ = nullptr;
    int64_t int_;
    double float_;
    const std::string* text_;
    const void* constant_;
  };
};

// What Python has in several types that behave alike.
struct Sequence {
  enum class Type {
    kList,
    kTuple,
    kRange,
    kView,      // dict.keys(), values() and items(): no index, but a length.
    kIterator,  // Neither index nor length, and can be read once.
  };
  Type type = Type::kList;
  std::vector<Value> items;
  size_t next = 0;  // kIterator: what was read.

  bool has_length() const { return type != Type::kIterator; }
  bool has_index() const { return has_length() && type != Type::kView; }
};

// Keys are texts, numbers, booleans or none, see IsKey.
class Dict {
 public:
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }

  // nullptr if there is none.
  const Value* Find(const Value& key) const;
  const Value* Find(absl::string_view key) const;
  // REQUIRES: IsKey(key).
  void Set(const Value& key, const Value& value);

  static bool IsKey(const Value& key);

 private:
  std::vector<std::pair<Value, Value>> items_;  // In order of insertion.
  absl::flat_hash_map<std::string, size_t> texts_, others_;  // In items_.
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;

  const Value* Find(absl::string_view name) const;
  void Set(absl::string_view name, const Value& value);
};

struct Macro {
  const Statement* statement;
  Scope* scope;  // Where it was defined.
};

struct Method {
  Value self;
  std::string name;
};

// The state of a for loop.
struct Loop {
  const std::vector<Value>* items = nullptr;
  size_t index = 0;  // From 0.
  bool called_changed = false;
  std::vector<Value> changed;  // What loop.changed was last called with.
};

// Owns what is made in one rendering, and counts it.
class Heap {
 public:
  // A rendering fails soon after it made more than this many bytes, whether or
  // not they are still in use.
  explicit Heap(size_t max_bytes) : max_bytes_(max_bytes) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Value NewText(std::string text, bool markup = false);
  Value NewSequence(std::vector<Value> items,
                    Sequence::Type type = Sequence::Type::kList);
  Value NewDict();
  // Adds to a dict of this heap.
  void Set(Dict* dict, const Value& key, const Value& value);
  Value NewNamespace();
  Value NewMacro(Macro macro);
  Value NewMethod(const Value& self, absl::string_view name);
  Loop* NewLoop();
  // REQUIRES: `json` is at most kMaxDepth deep, see CheckJson.
  Value FromJson(const nlohmann::ordered_json& json);

  // Counts bytes before they are made. INVALID_ARGUMENT: there are too many.
  // What a bounded number of operations on values of bounded size makes needs
  // no call, as Check follows each.
  absl::Status Reserve(size_t bytes);
  absl::Status Check() { return Reserve(0); }
  size_t remaining() const {
    return bytes_ < max_bytes_ ? max_bytes_ - bytes_ : 0;
  }

 private:
  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::deque<std::string> texts_;
  std::deque<Sequence> sequences_;
  std::deque<Dict> dicts_;
  std::deque<Namespace> spaces_;
  std::deque<Macro> macros_;
  std::deque<Method> methods_;
  std::deque<Loop> loops_;
};

// How deeply values may lie in one another where they are compared, printed or
// made from JSON, and constructs in a template.
inline constexpr int kMaxDepth = 200;

// INVALID_ARGUMENT, naming the variable: it is deeper than kMaxDepth or has an
// integer above 2^63 - 1.
absl::Status CheckJson(const nlohmann::ordered_json& json,
                       absl::string_view name);

// Python's name of the value's type, for errors: "str", "list", "Undefined".
absl::string_view TypeName(const Value& value);

// Python's bool(value).
bool Truth(const Value& value);

// Python's a == b. Values deeper than kMaxDepth are unequal.
bool Equal(const Value& a, const Value& b, int depth = 0);

// How many values and bytes there are in the value and what it holds, at most
// `limit` or a little more; what reading it costs.
size_t CostOf(const Value& value, size_t limit, int depth = 0);

}  // namespace aha::jinja
