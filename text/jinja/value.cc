#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace aha::jinja {
namespace {

using Json = nlohmann::ordered_json;

absl::Status CheckJsonAt(const Json& json, absl::string_view name, int depth) {
  if (depth > kMaxDepth) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " must not be nested more than ", kMaxDepth, " deep"));
  }
  if (json.is_number_unsigned() &&
      json.get<uint64_t>() >
          static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " must have integers below 2^63, got ", json.get<uint64_t>()));
  }
  if (!json.is_structured()) return absl::OkStatus();
  for (const Json& item : json) {
    AHA_RETURN_IF_ERROR(CheckJsonAt(item, name, depth + 1));
  }
  return absl::OkStatus();
}

// Two keys other than texts that are equal in Python, as 1, 1.0 and True, have
// one text.
std::string KeyText(const Value& key) {
  if (key.is(Kind::kNone)) return "none";
  constexpr double kExact = 9007199254740992;  // 2^53.
  const double number = key.number();
  if (key.is(Kind::kFloat) || std::abs(number) < kExact) {
    return absl::StrFormat("%.17g", number == 0 ? 0 : number);
  }
  return absl::StrCat(key.integer());
}

bool EqualItems(const Sequence& a, const Sequence& b, int depth) {
  if (&a == &b) return true;
  // A view or an iterator equals only itself, and a list no tuple.
  if (a.type != b.type || !a.has_index() || a.items.size() != b.items.size()) {
    return false;
  }
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(),
                    [depth](const Value& x, const Value& y) {
                      return Equal(x, y, depth + 1);
                    });
}

bool EqualDicts(const Dict& a, const Dict& b, int depth) {
  if (a.items().size() != b.items().size()) return false;
  return std::all_of(a.items().begin(), a.items().end(), [&](const auto& item) {
    const Value* other = b.Find(item.first);
    return other != nullptr && Equal(item.second, *other, depth + 1);
  });
}

}  // namespace

Value Value::Bool(bool b) {
  Value value(Kind::kBool);
  value.int_ = b ? 1 : 0;
  return value;
}

Value Value::Int(int64_t i) {
  Value value(Kind::kInt);
  value.int_ = i;
  return value;
}

Value Value::Float(double f) {
  Value value(Kind::kFloat);
  value.float_ = f;
  return value;
}

Value Value::Text(const std::string* text, bool markup) {
  Value value(Kind::kString);
  value.text_ = text;
  value.markup_ = markup;
  return value;
}

Value Value::Undefined(const std::string* name) {
  Value value;
  value.text_ = name;
  return value;
}

Value Value::Of(const Function* x) {
  Value value(Kind::kFunction);
  value.constant_ = x;
  return value;
}

const Function& Value::function() const {
  return *static_cast<const Function*>(constant_);
}

bool Value::is_integral() const {
  return kind_ == Kind::kInt || kind_ == Kind::kBool;
}

double Value::number() const {
  return kind_ == Kind::kFloat ? float_ : static_cast<double>(int_);
}

bool Value::SameObject(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kBool:
    case Kind::kInt:
      return int_ == other.int_;
    case Kind::kFloat:
      return float_ == other.float_;
    default:
      return object_ == other.object_;
  }
}

const Value* Dict::Find(const Value& key) const {
  if (key.is_string()) return Find(key.text());
  if (!IsKey(key)) return nullptr;
  const auto found = others_.find(KeyText(key));
  return found == others_.end() ? nullptr : &items_[found->second].second;
}

const Value* Dict::Find(absl::string_view key) const {
  const auto found = texts_.find(key);
  return found == texts_.end() ? nullptr : &items_[found->second].second;
}

void Dict::Set(const Value& key, const Value& value) {
  auto& index = key.is_string() ? texts_ : others_;
  const auto [place, fresh] = index.try_emplace(
      key.is_string() ? key.text() : KeyText(key), items_.size());
  if (fresh) {
    items_.emplace_back(key, value);
  } else {
    items_[place->second].second = value;
  }
}

bool Dict::IsKey(const Value& key) {
  return key.is_string() || key.is_number() || key.is(Kind::kNone);
}

const Value* Namespace::Find(absl::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Namespace::Set(absl::string_view name, const Value& value) {
  for (auto& [key, old] : attributes) {
    if (key != name) continue;
    old = value;
    return;
  }
  attributes.emplace_back(std::string(name), value);
}

Value Heap::NewText(std::string text, bool markup) {
  bytes_ += sizeof(text) + text.size();
  return Value::Text(&texts_.emplace_back(std::move(text)), markup);
}

Value Heap::NewSequence(std::vector<Value> items, Sequence::Type type) {
  bytes_ += sizeof(Sequence) + items.size() * sizeof(Value);
  return Value::Of(&sequences_.emplace_back(
      Sequence{.type = type, .items = std::move(items)}));
}

Value Heap::NewDict() {
  bytes_ += sizeof(Dict);
  return Value::Of(&dicts_.emplace_back());
}

void Heap::Set(Dict* dict, const Value& key, const Value& value) {
  bytes_ += 4 * sizeof(Value) + (key.is_string() ? key.text().size() : 0);
  dict->Set(key, value);
}

Value Heap::NewNamespace() {
  bytes_ += sizeof(Namespace);
  return Value::Of(&spaces_.emplace_back());
}

Value Heap::NewMacro(Macro macro) {
  bytes_ += sizeof(Macro);
  return Value::Of(&macros_.emplace_back(std::move(macro)));
}

Value Heap::NewMethod(const Value& self, absl::string_view name) {
  bytes_ += sizeof(Method) + name.size();
  return Value::Of(&methods_.emplace_back(Method{self, std::string(name)}));
}

Loop* Heap::NewLoop() {
  bytes_ += sizeof(Loop);
  return &loops_.emplace_back();
}

Value Heap::FromJson(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::Bool(json.get<bool>());
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return Value::Int(json.get<int64_t>());
    case Json::value_t::number_float:
      return Value::Float(json.get<double>());
    case Json::value_t::string:
      return Value::Text(&json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) items.push_back(FromJson(item));
      return NewSequence(std::move(items));
    }
    case Json::value_t::object: {
      const Value dict = NewDict();
      for (const auto& [key, item] : json.items()) {
        Set(&dict.dict(), NewText(key), FromJson(item));
      }
      return dict;
    }
    default:
      return Value::None();
  }
}

absl::Status Heap::Reserve(size_t bytes) {
  if (bytes_ <= max_bytes_ && bytes <= max_bytes_ - bytes_) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the template must not make more than ", max_bytes_, " bytes of values"));
}

absl::Status CheckJson(const Json& json, absl::string_view name) {
  return CheckJsonAt(json, name, 0);
}

absl::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kMacro:
      return "Macro";
    case Kind::kFunction:
    case Kind::kMethod:
      return "function";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kSequence:
      break;
  }
  switch (value.sequence().type) {
    case Sequence::Type::kList:
      return "list";
    case Sequence::Type::kTuple:
      return "tuple";
    case Sequence::Type::kRange:
      return "range";
    case Sequence::Type::kView:
      return "dict view";
    case Sequence::Type::kIterator:
      break;
  }
  return "generator";
}

bool Truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kSequence:
      return !value.sequence().has_length() || !value.sequence().items.empty();
    case Kind::kDict:
      return !value.dict().items().empty();
    default:
      return true;
  }
}

bool Equal(const Value& a, const Value& b, int depth) {
  if (depth > kMaxDepth) return false;
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kSequence:
      return EqualItems(a.sequence(), b.sequence(), depth);
    case Kind::kDict:
      return EqualDicts(a.dict(), b.dict(), depth);
    default:
      return a.SameObject(b);
  }
}

size_t CostOf(const Value& value, size_t limit, int depth) {
  if (value.is_string()) return 1 + value.text().size() / 64;
  size_t cost = 1;
  if (depth > kMaxDepth) return cost;
  if (value.is(Kind::kSequence)) {
    for (const Value& item : value.sequence().items) {
      if (cost > limit) break;
      cost += CostOf(item, limit - std::min(limit, cost), depth + 1);
    }
  }
  if (value.is(Kind::kDict)) {
    for (const auto& [key, item] : value.dict().items()) {
      if (cost > limit) break;
      cost += CostOf(key, limit - std::min(limit, cost), depth + 1);
      cost += CostOf(item, limit - std::min(limit, cost), depth + 1);
    }
  }
  return cost;
}

}  // namespace aha::jinja
