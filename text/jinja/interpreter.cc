#include "text/jinja/interpreter.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "text/jinja/lexer.h"
#include "text/jinja/runtime.h"

namespace aha::jinja {

// The variables of a template, of a loop's turn or of a call, and the scope
// around it.
class Scope {
 public:
  explicit Scope(Scope* outer) : outer_(outer) {}

  Scope* outer() const { return outer_; }
  // A macro that was defined here needs the scope after its end.
  void Keep() { kept_ = true; }
  bool kept() const { return kept_; }
  void Clear() { variables_.clear(); }

  // Looks in this scope and in those around it; nullptr if there is none.
  const Value* Find(absl::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
      for (const auto& [known, value] : scope->variables_) {
        if (known == name) return &value;
      }
    }
    return nullptr;
  }
  // `name` must outlive the rendering.
  void Set(absl::string_view name, const Value& value) {
    for (auto& [known, old] : variables_) {
      if (known != name) continue;
      old = value;
      return;
    }
    variables_.emplace_back(name, value);
  }

 private:
  Scope* const outer_;
  bool kept_ = false;
  std::vector<std::pair<absl::string_view, Value>> variables_;
};

namespace {

using Node = Expression::Type;
using Result = absl::StatusOr<Value>;

// Of expressions and statements in each other while they are executed, calls of
// macros included. Each takes less than 4 KiB of the stack.
constexpr int kMaxExecutionDepth = 3 * kMaxDepth;

enum class Flow { kNext, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(const Budget& budget, std::optional<absl::CivilSecond> now)
      : runtime_(budget.steps, budget.bytes, now) {}

  absl::StatusOr<std::string> Run(const Body& body,
                                  const nlohmann::ordered_json& variables);

 private:
  Result Evaluate(const Expression& expression, Scope& scope);
  Result EvaluateHere(const Expression& expression, Scope& scope);
  Result Name(const Expression& expression, Scope& scope);
  Result Collection(const Expression& expression, Scope& scope);
  Result DictOf(const Expression& expression, Scope& scope);
  Result LookUp(const Expression& expression, Scope& scope);
  Result Slice(const Expression& expression, Scope& scope);
  Result Unary(const Expression& expression, Scope& scope);
  Result Binary(const Expression& expression, Scope& scope);
  Result Concat(const Expression& expression, Scope& scope);
  Result Comparison(const Expression& expression, Scope& scope);
  Result Condition(const Expression& expression, Scope& scope);
  Result Filtered(const Expression& expression, Scope& scope);
  Result Tested(const Expression& expression, Scope& scope);
  Result Call(const Expression& expression, Scope& scope);
  Result CallMacro(const Macro& macro, const Arguments& arguments);
  absl::StatusOr<Arguments> ArgumentsOf(const Expression& expression,
                                        Scope& scope);

  absl::StatusOr<Flow> Execute(const Body& body, Scope& scope,
                               std::string* out);
  absl::StatusOr<Flow> ExecuteOne(const Statement& statement, Scope& scope,
                                  std::string* out);
  absl::StatusOr<Flow> If(const Statement& statement, Scope& scope,
                          std::string* out);
  absl::StatusOr<Flow> For(const Statement& statement, Scope& scope,
                           std::string* out);
  absl::StatusOr<std::vector<Value>> LoopItems(const Statement& statement,
                                               Scope& scope);
  absl::Status Output(const Statement& statement, Scope& scope,
                      std::string* out);
  absl::Status SetBlock(const Statement& statement, Scope& scope);
  absl::Status FilterBlock(const Statement& statement, Scope& scope,
                           std::string* out);
  absl::StatusOr<Flow> InScope(const Statement& statement, Scope& scope,
                               std::string* out);
  absl::Status Assign(const Target& target, const Value& value, Scope& scope);
  // The text of a body, after its filters.
  absl::StatusOr<Value> BodyText(const Statement& statement, Scope& scope);

  Scope& NewScope(Scope* outer) { return scopes_.emplace_back(outer); }
  absl::Status Append(absl::string_view text, std::string* out);

  Runtime runtime_;
  std::deque<Scope> scopes_;
  int depth_ = 0;
};

// Counts the depth of the execution while it lives.
class Nested {
 public:
  explicit Nested(int* depth) : depth_(*depth) { ++depth_; }
  ~Nested() { --depth_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  bool too_deep() const { return depth_ > kMaxExecutionDepth; }

 private:
  int& depth_;
};

absl::Status TooDeep() {
  return absl::InvalidArgumentError(
      absl::StrCat("the template must not be nested more than ",
                   kMaxExecutionDepth, " deep, calls of macros included"));
}

// Adds the line to an error that has none yet, and what failed there.
absl::Status Locate(int line, absl::string_view what,
                    const absl::Status& status) {
  if (status.ok() || absl::StartsWith(status.message(), "chat_template: ")) {
    return status;
  }
  const absl::Status located = ErrorAt(
      line, absl::StrCat(what, what.empty() ? "" : ": ", status.message()));
  return absl::Status(status.code(), located.message());
}

std::string What(const Expression& expression) {
  switch (expression.type) {
    case Node::kFilter:
      return absl::StrCat("filter ", expression.text);
    case Node::kTest:
      return absl::StrCat("test ", expression.text);
    case Node::kAttribute:
      return absl::StrCat("attribute ", expression.text);
    case Node::kCall: {
      const Expression& called = *expression.operands[0];
      return called.text.empty() || called.type == Node::kConstant
                 ? "call"
                 : absl::StrCat(called.text, "()");
    }
    default:
      return "";
  }
}

Result Interpreter::Evaluate(const Expression& expression, Scope& scope) {
  const Nested nested(&depth_);
  if (nested.too_deep()) return Locate(expression.line, "", TooDeep());
  if (absl::Status status = runtime_.Work(1); !status.ok()) {
    return Locate(expression.line, "", status);
  }
  Result value = EvaluateHere(expression, scope);
  if (value.ok()) return value;
  return Locate(expression.line, What(expression), value.status());
}

Result Interpreter::EvaluateHere(const Expression& expression, Scope& scope) {
  switch (expression.type) {
    case Node::kConstant:
      return expression.value;
    case Node::kName:
      return Name(expression, scope);
    case Node::kTuple:
    case Node::kList:
      return Collection(expression, scope);
    case Node::kDict:
      return DictOf(expression, scope);
    case Node::kAttribute:
    case Node::kItem:
      return LookUp(expression, scope);
    case Node::kSlice:
      return Slice(expression, scope);
    case Node::kCall:
      return Call(expression, scope);
    case Node::kFilter:
      return Filtered(expression, scope);
    case Node::kTest:
      return Tested(expression, scope);
    case Node::kUnary:
      return Unary(expression, scope);
    case Node::kBinary:
      return expression.text == "~" ? Concat(expression, scope)
                                    : Binary(expression, scope);
    case Node::kCompare:
      return Comparison(expression, scope);
    case Node::kCondition:
      return Condition(expression, scope);
  }
  return absl::InternalError("unknown expression");
}

Result Interpreter::Name(const Expression& expression, Scope& scope) {
  if (const Value* value = scope.Find(expression.text)) return *value;
  const Function* function = FindFunction(expression.text);
  if (function != nullptr &&
      (expression.text != "strftime_now" || runtime_.now())) {
    return Value::Of(function);
  }
  return Value::Undefined(&expression.text);
}

Result Interpreter::Collection(const Expression& expression, Scope& scope) {
  std::vector<Value> items;
  for (const ExpressionPtr& operand : expression.operands) {
    AHA_ASSIGN_OR_RETURN(items.emplace_back(), Evaluate(*operand, scope));
  }
  return runtime_.heap().NewSequence(std::move(items),
                                     expression.type == Node::kTuple
                                         ? Sequence::Type::kTuple
                                         : Sequence::Type::kList);
}

Result Interpreter::DictOf(const Expression& expression, Scope& scope) {
  const Value dict = runtime_.heap().NewDict();
  for (const NamedArgument& entry : expression.named) {
    AHA_ASSIGN_OR_RETURN(const Value key, Evaluate(*entry.key, scope));
    AHA_ASSIGN_OR_RETURN(const Value value, Evaluate(*entry.value, scope));
    if (!Dict::IsKey(key)) return WrongType("use as a key", key);
    runtime_.heap().Set(&dict.dict(), key, value);
  }
  return dict;
}

Result Interpreter::LookUp(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value value,
                       Evaluate(*expression.operands[0], scope));
  if (expression.type == Node::kAttribute) {
    return AttributeOf(runtime_, value, expression.text);
  }
  AHA_ASSIGN_OR_RETURN(const Value key,
                       Evaluate(*expression.operands[1], scope));
  return ItemOf(runtime_, value, key);
}

Result Interpreter::Slice(const Expression& expression, Scope& scope) {
  Value parts[4];
  for (size_t i = 0; i < 4; ++i) {
    if (!expression.operands[i]) continue;
    AHA_ASSIGN_OR_RETURN(parts[i], Evaluate(*expression.operands[i], scope));
    if (parts[i].is_undefined()) return UndefinedError(parts[i]);
  }
  return SliceOf(runtime_, parts[0], parts[1], parts[2], parts[3]);
}

Result Interpreter::Unary(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value value,
                       Evaluate(*expression.operands[0], scope));
  if (expression.text == "not") return Value::Bool(!Truth(value));
  if (expression.text == "-") return Negative(value);
  if (value.is(Kind::kFloat)) return value;
  if (value.is_integral()) return Value::Int(value.integer());
  return WrongType("take as a number", value);
}

Result Interpreter::Binary(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value a, Evaluate(*expression.operands[0], scope));
  if (expression.text == "and" && !Truth(a)) return a;
  if (expression.text == "or" && Truth(a)) return a;
  AHA_ASSIGN_OR_RETURN(const Value b, Evaluate(*expression.operands[1], scope));
  if (expression.text == "and" || expression.text == "or") return b;
  return Arithmetic(runtime_, expression.text, a, b);
}

Result Interpreter::Concat(const Expression& expression, Scope& scope) {
  std::string text;
  for (const ExpressionPtr& operand : expression.operands) {
    AHA_ASSIGN_OR_RETURN(const Value value, Evaluate(*operand, scope));
    AHA_ASSIGN_OR_RETURN(const std::string part, runtime_.TextOf(value));
    AHA_RETURN_IF_ERROR(Append(part, &text));
  }
  return runtime_.heap().NewText(std::move(text));
}

Result Interpreter::Comparison(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(Value a, Evaluate(*expression.operands[0], scope));
  for (size_t i = 0; i < expression.texts.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(const Value b,
                         Evaluate(*expression.operands[i + 1], scope));
    const bool negated = expression.texts[i] == "not in";
    AHA_ASSIGN_OR_RETURN(
        const bool holds,
        Compare(runtime_, negated ? "in" : expression.texts[i], a, b));
    if (holds == negated) return Value::Bool(false);
    a = b;
  }
  return Value::Bool(true);
}

Result Interpreter::Condition(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value condition,
                       Evaluate(*expression.operands[1], scope));
  if (Truth(condition)) return Evaluate(*expression.operands[0], scope);
  if (!expression.operands[2]) return Value();
  return Evaluate(*expression.operands[2], scope);
}

absl::StatusOr<Arguments> Interpreter::ArgumentsOf(const Expression& expression,
                                                   Scope& scope) {
  Arguments arguments;
  for (size_t i = 1; i < expression.operands.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(arguments.positional.emplace_back(),
                         Evaluate(*expression.operands[i], scope));
  }
  for (const NamedArgument& argument : expression.named) {
    AHA_ASSIGN_OR_RETURN(const Value value, Evaluate(*argument.value, scope));
    arguments.named.emplace_back(argument.name, value);
  }
  return arguments;
}

Result Interpreter::Filtered(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Filter filter, FindFilter(expression.text));
  AHA_ASSIGN_OR_RETURN(const Value input,
                       Evaluate(*expression.operands[0], scope));
  AHA_ASSIGN_OR_RETURN(const Arguments arguments,
                       ArgumentsOf(expression, scope));
  return filter(runtime_, input, arguments);
}

Result Interpreter::Tested(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Test test, FindTest(expression.text));
  AHA_ASSIGN_OR_RETURN(const Value input,
                       Evaluate(*expression.operands[0], scope));
  AHA_ASSIGN_OR_RETURN(const Arguments arguments,
                       ArgumentsOf(expression, scope));
  AHA_ASSIGN_OR_RETURN(const bool holds, test(runtime_, input, arguments));
  return Value::Bool(holds);
}

Result Interpreter::Call(const Expression& expression, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value called,
                       Evaluate(*expression.operands[0], scope));
  if (called.is_undefined()) return UndefinedError(called);
  AHA_ASSIGN_OR_RETURN(const Arguments arguments,
                       ArgumentsOf(expression, scope));
  switch (called.kind()) {
    case Kind::kFunction:
      return called.function().call(runtime_, arguments);
    case Kind::kMethod:
      return CallMethod(runtime_, called.method(), arguments);
    case Kind::kMacro:
      return CallMacro(called.macro(), arguments);
    default:
      return WrongType("call", called);
  }
}

Result Interpreter::CallMacro(const Macro& macro, const Arguments& arguments) {
  const Statement& definition = *macro.statement;
  const std::vector<std::string>& parameters = definition.parameters;
  if (arguments.positional.size() > parameters.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the macro takes at most ", parameters.size(),
                     " arguments, got ", arguments.positional.size()));
  }
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(parameters.begin(), parameters.end(), name);
    if (at == parameters.end() || static_cast<size_t>(at - parameters.begin()) <
                                      arguments.positional.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the macro has no argument ", name, ", or got it twice"));
    }
  }
  Scope& scope = NewScope(macro.scope);
  const size_t without_default = parameters.size() - definition.defaults.size();
  for (size_t i = 0; i < parameters.size(); ++i) {
    Value value = Value::Undefined(&parameters[i]);
    const auto named = std::find_if(
        arguments.named.begin(), arguments.named.end(),
        [&](const auto& argument) { return argument.first == parameters[i]; });
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else if (named != arguments.named.end()) {
      value = named->second;
    } else if (i >= without_default) {
      AHA_ASSIGN_OR_RETURN(
          value, Evaluate(*definition.defaults[i - without_default], scope));
    }
    scope.Set(parameters[i], value);
  }
  std::string out;
  AHA_RETURN_IF_ERROR(Execute(definition.body, scope, &out).status());
  return runtime_.heap().NewText(std::move(out));
}

absl::Status Interpreter::Append(absl::string_view text, std::string* out) {
  AHA_RETURN_IF_ERROR(runtime_.Work(text.size() / 64));
  AHA_RETURN_IF_ERROR(runtime_.heap().Reserve(out->size() + text.size()));
  absl::StrAppend(out, text);
  return absl::OkStatus();
}

absl::StatusOr<Flow> Interpreter::Execute(const Body& body, Scope& scope,
                                          std::string* out) {
  const Nested nested(&depth_);
  for (const Statement& statement : body) {
    if (nested.too_deep()) return Locate(statement.line, "", TooDeep());
    if (absl::Status status = runtime_.Work(1); !status.ok()) {
      return Locate(statement.line, "", status);
    }
    absl::StatusOr<Flow> flow = ExecuteOne(statement, scope, out);
    if (!flow.ok()) return Locate(statement.line, "", flow.status());
    if (*flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

absl::StatusOr<Flow> Interpreter::ExecuteOne(const Statement& statement,
                                             Scope& scope, std::string* out) {
  switch (statement.type) {
    case Statement::Type::kText:
      AHA_RETURN_IF_ERROR(Append(statement.text, out));
      return Flow::kNext;
    case Statement::Type::kOutput:
      AHA_RETURN_IF_ERROR(Output(statement, scope, out));
      return Flow::kNext;
    case Statement::Type::kIf:
      return If(statement, scope, out);
    case Statement::Type::kFor:
      return For(statement, scope, out);
    case Statement::Type::kSet: {
      AHA_ASSIGN_OR_RETURN(const Value value,
                           Evaluate(*statement.expression, scope));
      AHA_RETURN_IF_ERROR(Assign(statement.target, value, scope));
      return Flow::kNext;
    }
    case Statement::Type::kSetBlock:
      AHA_RETURN_IF_ERROR(SetBlock(statement, scope));
      return Flow::kNext;
    case Statement::Type::kMacro:
      for (Scope* s = &scope; s != nullptr; s = s->outer()) s->Keep();
      scope.Set(statement.text, runtime_.heap().NewMacro({&statement, &scope}));
      return Flow::kNext;
    case Statement::Type::kScope:
      return InScope(statement, scope, out);
    case Statement::Type::kFilterBlock:
      AHA_RETURN_IF_ERROR(FilterBlock(statement, scope, out));
      return Flow::kNext;
    case Statement::Type::kBreak:
      return Flow::kBreak;
    case Statement::Type::kContinue:
      return Flow::kContinue;
  }
  return absl::InternalError("unknown statement");
}

absl::Status Interpreter::Output(const Statement& statement, Scope& scope,
                                 std::string* out) {
  AHA_ASSIGN_OR_RETURN(const Value value,
                       Evaluate(*statement.expression, scope));
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime_.TextOf(value));
  return Append(text, out);
}

absl::StatusOr<Flow> Interpreter::If(const Statement& statement, Scope& scope,
                                     std::string* out) {
  for (const Branch& branch : statement.branches) {
    bool taken = branch.condition == nullptr;
    if (!taken) {
      AHA_ASSIGN_OR_RETURN(const Value condition,
                           Evaluate(*branch.condition, scope));
      taken = Truth(condition);
    }
    if (taken) return Execute(branch.body, scope, out);
  }
  return Flow::kNext;
}

absl::StatusOr<std::vector<Value>> Interpreter::LoopItems(
    const Statement& statement, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value source,
                       Evaluate(*statement.expression, scope));
  AHA_ASSIGN_OR_RETURN(std::vector<Value> items, runtime_.ItemsOf(source));
  AHA_RETURN_IF_ERROR(runtime_.heap().Reserve(items.size() * sizeof(Value)));
  if (!statement.condition) return items;
  std::vector<Value> kept;
  Scope& inner = NewScope(&scope);
  for (const Value& item : items) {
    inner.Clear();
    AHA_RETURN_IF_ERROR(Assign(statement.target, item, inner));
    AHA_ASSIGN_OR_RETURN(const Value condition,
                         Evaluate(*statement.condition, inner));
    if (Truth(condition)) kept.push_back(item);
  }
  return kept;
}

absl::StatusOr<Flow> Interpreter::For(const Statement& statement, Scope& scope,
                                      std::string* out) {
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items,
                       LoopItems(statement, scope));
  Loop* loop = runtime_.heap().NewLoop();
  // A macro may keep the loop beyond its end.
  const Value kept = runtime_.heap().NewSequence(items);
  loop->items = &kept.sequence().items;
  Scope* turn = &NewScope(&scope);
  for (loop->index = 0; loop->index < items.size(); ++loop->index) {
    AHA_RETURN_IF_ERROR(runtime_.Work(1));
    if (turn->kept()) turn = &NewScope(&scope);
    turn->Clear();
    turn->Set("loop", Value::Of(loop));
    AHA_RETURN_IF_ERROR(Assign(statement.target, items[loop->index], *turn));
    AHA_ASSIGN_OR_RETURN(const Flow flow, Execute(statement.body, *turn, out));
    if (flow == Flow::kBreak) break;
  }
  if (!items.empty() || statement.branches.empty()) return Flow::kNext;
  return Execute(statement.branches[0].body, NewScope(&scope), out);
}

absl::Status Interpreter::Assign(const Target& target, const Value& value,
                                 Scope& scope) {
  if (!target.attribute.empty()) {
    const Value* space = scope.Find(target.names[0]);
    if (space == nullptr || !space->is(Kind::kNamespace)) {
      return absl::InvalidArgumentError(
          absl::StrCat("only an attribute of a namespace can be set, and ",
                       target.names[0], " is none"));
    }
    AHA_RETURN_IF_ERROR(runtime_.heap().Reserve(sizeof(Value)));
    space->space().Set(target.attribute, value);
    return absl::OkStatus();
  }
  if (!target.tuple) {
    scope.Set(target.names[0], value);
    return absl::OkStatus();
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Value> items, runtime_.ItemsOf(value));
  if (items.size() != target.names.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot set ", target.names.size(), " names from ",
                     items.size(), " values"));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    scope.Set(target.names[i], items[i]);
  }
  return absl::OkStatus();
}

Result Interpreter::BodyText(const Statement& statement, Scope& scope) {
  Scope& inner = NewScope(&scope);
  std::string text;
  AHA_RETURN_IF_ERROR(Execute(statement.body, inner, &text).status());
  const Value value = runtime_.heap().NewText(std::move(text));
  if (!statement.filters) return value;
  inner.Set(kPlaceholder, value);
  return Evaluate(*statement.filters, inner);
}

absl::Status Interpreter::SetBlock(const Statement& statement, Scope& scope) {
  AHA_ASSIGN_OR_RETURN(const Value value, BodyText(statement, scope));
  return Assign(statement.target, value, scope);
}

absl::Status Interpreter::FilterBlock(const Statement& statement, Scope& scope,
                                      std::string* out) {
  AHA_ASSIGN_OR_RETURN(const Value value, BodyText(statement, scope));
  AHA_ASSIGN_OR_RETURN(const std::string text, runtime_.TextOf(value));
  return Append(text, out);
}

absl::StatusOr<Flow> Interpreter::InScope(const Statement& statement,
                                          Scope& scope, std::string* out) {
  Scope& inner = NewScope(&scope);
  for (const auto& [target, expression] : statement.assignments) {
    AHA_ASSIGN_OR_RETURN(const Value value, Evaluate(*expression, scope));
    AHA_RETURN_IF_ERROR(Assign(target, value, inner));
  }
  return Execute(statement.body, inner, out);
}

absl::StatusOr<std::string> Interpreter::Run(
    const Body& body, const nlohmann::ordered_json& variables) {
  Scope& scope = NewScope(nullptr);
  for (const auto& [name, value] : variables.items()) {
    AHA_RETURN_IF_ERROR(CheckJson(value, name));
    // The key of the iteration does not outlive it.
    scope.Set(runtime_.heap().NewText(name).text(),
              runtime_.heap().FromJson(value));
  }
  // A template's own variables hide those that it is given.
  std::string out;
  AHA_RETURN_IF_ERROR(Execute(body, NewScope(&scope), &out).status());
  return out;
}

}  // namespace

absl::StatusOr<std::string> Execute(const Body& body,
                                    const nlohmann::ordered_json& variables,
                                    std::optional<absl::CivilSecond> now,
                                    const Budget& budget) {
  return Interpreter(budget, now).Run(body, variables);
}

}  // namespace aha::jinja
