// What a template is parsed into: expressions and statements. The parser makes
// them, the interpreter walks along them; both bound their depth by kMaxDepth.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace aha::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// An argument with a name, or an entry of a dict whose key is `key`.
struct NamedArgument {
  std::string name;
  ExpressionPtr key;
  ExpressionPtr value;
};

struct Expression {
  enum class Type {
    kConstant,   // value
    kName,       // text
    kTuple,      // operands
    kList,       // operands
    kDict,       // named, by key
    kAttribute,  // operands[0].text
    kItem,       // operands[0][operands[1]]
    kSlice,      // operands[0][operands[1]:operands[2]:operands[3]]; nullptr: -
    kCall,       // operands[0](operands[1], ..., named)
    kFilter,     // operands[0] | text(operands[1], ..., named)
    kTest,       // operands[0] is text(operands[1], ..., named)
    kUnary,      // text operands[0]; text is "not", "-" or "+"
    kBinary,     // operands[0] text operands[1]; "~" has two and more
    kCompare,    // operands[0] texts[0] operands[1] texts[1] ...
    kCondition,  // operands[0] if operands[1] else operands[2], nullptr: -
  };
  Type type = Type::kConstant;
  int line = 0;
  int depth = 1;     // 1 more than that of the deepest operand.
  std::string text;  // A constant's text, too.
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<NamedArgument> named;
  std::vector<std::string> texts;
};

// What a for loop or `set` assigns to.
struct Target {
  std::vector<std::string> names;
  bool tuple = false;     // One name may be a tuple, too.
  std::string attribute;  // names[0].attribute, of a namespace; "": none.
};

struct Statement;
using Body = std::vector<Statement>;

// A condition, nullptr for else, and what is done if it holds.
struct Branch;

struct Statement {
  enum class Type {
    kText,         // text
    kOutput,       // expression
    kIf,           // branches
    kFor,          // target in expression if condition; body; branches[0]: else
    kSet,          // target = expression
    kSetBlock,     // target = body | filters
    kMacro,        // text(parameters, defaults); body
    kScope,        // body in a scope of its own: generation; with, whose
                   // variables are targets and values in `assignments`
    kFilterBlock,  // body | filters
    kBreak,
    kContinue,
  };
  Type type = Type::kText;
  int line = 0;
  std::string text;
  ExpressionPtr expression;
  ExpressionPtr condition;
  Target target;
  Body body;
  std::vector<Branch> branches;
  // Applied to the text of the body, which kPlaceholder names.
  ExpressionPtr filters;
  std::vector<std::string> parameters;
  // Of the last parameters.
  std::vector<ExpressionPtr> defaults;
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
};

struct Branch {
  ExpressionPtr condition;
  Body body;
};

// The name in Statement::filters that stands for the body's text. No template
// can spell it.
inline constexpr char kPlaceholder[] = "{body}";

}  // namespace aha::jinja
