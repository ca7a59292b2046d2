// A parser by recursive descent with the precedences of Jinja's own, each level
// of which is one function here.
#include "text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text.h"
#include "text/jinja/lexer.h"
#include "text/tokenizer_bytes.h"

namespace aha::jinja {
namespace {

using TokenType = Token::Type;
using Node = Expression::Type;
using ParseResult = absl::StatusOr<ExpressionPtr>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<Body> Template() {
    AHA_ASSIGN_OR_RETURN(Body body, ParseBody({}));
    return body;
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Peek() const {
    return tokens_[std::min(at_ + 1, tokens_.size() - 1)];
  }
  bool IsOperator(absl::string_view text) const {
    return Now().type == TokenType::kOperator && Now().text == text;
  }
  bool IsName(absl::string_view text) const {
    return Now().type == TokenType::kName && Now().text == text;
  }
  Token Take() {
    Token token = Now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool SkipOperator(absl::string_view text) {
    if (!IsOperator(text)) return false;
    Take();
    return true;
  }
  bool SkipName(absl::string_view text) {
    if (!IsName(text)) return false;
    Take();
    return true;
  }
  absl::Status Unexpected(absl::string_view wanted) const;
  absl::Status ExpectOperator(absl::string_view text);
  absl::Status ExpectEnd();
  absl::StatusOr<std::string> ExpectName();
  // Whether an expression cannot begin here.
  bool AtTupleEnd(absl::string_view end_name) const;

  ExpressionPtr New(Node type, int line) const {
    auto node = std::make_unique<Expression>();
    node->type = type;
    node->line = line;
    return node;
  }
  // Sets the depth of a node, which is complete.
  ParseResult Done(ExpressionPtr node) const;
  ParseResult Binary(std::string text, ExpressionPtr left, ExpressionPtr right);
  // Parses by `next`, any number of times, with one of `operators` between.
  ParseResult Chain(std::initializer_list<absl::string_view> operators,
                    ParseResult (Parser::*next)());

  ParseResult ParseExpression() { return ParseCondition(); }
  ParseResult ParseCondition();
  ParseResult ParseOr();
  ParseResult ParseAnd();
  ParseResult ParseNot();
  ParseResult ParseCompare();
  ParseResult ParseSum() { return Chain({"+", "-"}, &Parser::ParseConcat); }
  ParseResult ParseConcat();
  ParseResult ParseProduct() {
    return Chain({"*", "/", "//", "%"}, &Parser::Pow);
  }
  ParseResult Pow() { return Chain({"**"}, &Parser::ParseFiltered); }
  ParseResult ParseFiltered() { return ParseUnary(true); }
  ParseResult ParseUnary(bool with_filters);
  ParseResult ParsePrimary();
  ParseResult ParseConstant();
  ParseResult ParseList();
  ParseResult ParseDict();
  // `conditions`: a conditional expression is read, too.
  ParseResult ParseTuple(bool conditions, absl::string_view end_name = "",
                         bool parentheses = false);
  ParseResult ParsePostfix(ExpressionPtr node);
  ParseResult ParseAttribute(ExpressionPtr node);
  ParseResult ParseSubscript(ExpressionPtr node);
  ParseResult ParseCall(ExpressionPtr node);
  ParseResult ParseFilters(ExpressionPtr node);
  ParseResult ParseOneFilter(ExpressionPtr node);
  ParseResult ParseTest(ExpressionPtr node);
  absl::Status ParseArguments(Expression* node);

  // Up to a statement that `ends` names, which is not taken; without names up
  // to the end of the template.
  absl::StatusOr<Body> ParseBody(std::initializer_list<absl::string_view> ends);
  // The same, and takes the statement if it has no more than a name.
  absl::StatusOr<Body> ParseBodyUntil(absl::string_view end);
  absl::StatusOr<Statement> ParseStatement();
  absl::StatusOr<Statement> ParseIf();
  absl::StatusOr<Statement> ParseFor();
  absl::StatusOr<Statement> ParseSet();
  absl::StatusOr<Statement> ParseMacro();
  absl::StatusOr<Statement> ParseWith();
  absl::StatusOr<Statement> ParseFilterBlock();
  absl::StatusOr<Statement> ParseGeneration();
  absl::StatusOr<Statement> ParseLoopControl(bool is_break);
  absl::StatusOr<Target> ParseTarget(bool attributes);

  Statement NewStatement(Statement::Type type, int line) const {
    Statement statement;
    statement.type = type;
    statement.line = line;
    return statement;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;  // How deep the recursion is.
  int loops_ = 0;  // Around the present statement.
};

// Counts the depth of the recursion while it lives.
class Deeper {
 public:
  explicit Deeper(int* depth) : depth_(*depth) { ++depth_; }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  absl::Status Check(int line) const {
    if (depth_ <= kMaxDepth) return absl::OkStatus();
    return ErrorAt(line, absl::StrCat("the template must not be nested more "
                                      "than ",
                                      kMaxDepth, " deep"));
  }

 private:
  int& depth_;
};

absl::Status Parser::Unexpected(absl::string_view wanted) const {
  const Token& token = Now();
  std::string found = Quote(token.text);
  if (token.type == TokenType::kBlockEnd) found = "%}";
  if (token.type == TokenType::kOutputEnd) found = "}}";
  if (token.type == TokenType::kEnd) found = "the end of the template";
  return ErrorAt(token.line,
                 absl::StrCat("expected ", wanted, ", got ", found));
}

absl::Status Parser::ExpectOperator(absl::string_view text) {
  return SkipOperator(text) ? absl::OkStatus() : Unexpected(text);
}

absl::Status Parser::ExpectEnd() {
  if (Now().type != TokenType::kBlockEnd) return Unexpected("%}");
  Take();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Parser::ExpectName() {
  if (Now().type != TokenType::kName) return Unexpected("a name");
  return Take().text;
}

ParseResult Parser::Done(ExpressionPtr node) const {
  const auto deepen = [&node](const ExpressionPtr& operand) {
    if (operand) node->depth = std::max(node->depth, operand->depth + 1);
  };
  for (const ExpressionPtr& operand : node->operands) deepen(operand);
  for (const NamedArgument& argument : node->named) {
    deepen(argument.key);
    deepen(argument.value);
  }
  if (node->depth <= kMaxDepth) return node;
  return ErrorAt(node->line,
                 absl::StrCat("an expression must not be nested more than ",
                              kMaxDepth, " deep"));
}

ParseResult Parser::Binary(std::string text, ExpressionPtr left,
                           ExpressionPtr right) {
  ExpressionPtr node = New(Node::kBinary, left->line);
  node->text = std::move(text);
  node->operands.push_back(std::move(left));
  node->operands.push_back(std::move(right));
  return Done(std::move(node));
}

ParseResult Parser::Chain(std::initializer_list<absl::string_view> operators,
                          ParseResult (Parser::*next)()) {
  AHA_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*next)());
  while (Now().type == TokenType::kOperator &&
         std::find(operators.begin(), operators.end(), Now().text) !=
             operators.end()) {
    std::string text = Take().text;
    AHA_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*next)());
    AHA_ASSIGN_OR_RETURN(
        left, Binary(std::move(text), std::move(left), std::move(right)));
  }
  return left;
}

ParseResult Parser::ParseCondition() {
  const Deeper deeper(&depth_);
  AHA_RETURN_IF_ERROR(deeper.Check(Now().line));
  AHA_ASSIGN_OR_RETURN(ExpressionPtr value, ParseOr());
  while (IsName("if")) {
    ExpressionPtr node = New(Node::kCondition, Take().line);
    AHA_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
    ExpressionPtr otherwise;
    if (SkipName("else")) {
      AHA_ASSIGN_OR_RETURN(otherwise, ParseCondition());
    }
    node->operands.push_back(std::move(value));
    node->operands.push_back(std::move(condition));
    node->operands.push_back(std::move(otherwise));
    AHA_ASSIGN_OR_RETURN(value, Done(std::move(node)));
  }
  return value;
}

ParseResult Parser::ParseOr() {
  AHA_ASSIGN_OR_RETURN(ExpressionPtr left, ParseAnd());
  while (SkipName("or")) {
    AHA_ASSIGN_OR_RETURN(ExpressionPtr right, ParseAnd());
    AHA_ASSIGN_OR_RETURN(left, Binary("or", std::move(left), std::move(right)));
  }
  return left;
}

ParseResult Parser::ParseAnd() {
  AHA_ASSIGN_OR_RETURN(ExpressionPtr left, ParseNot());
  while (SkipName("and")) {
    AHA_ASSIGN_OR_RETURN(ExpressionPtr right, ParseNot());
    AHA_ASSIGN_OR_RETURN(left,
                         Binary("and", std::move(left), std::move(right)));
  }
  return left;
}

ParseResult Parser::ParseNot() {
  if (!IsName("not")) return ParseCompare();
  const Deeper deeper(&depth_);
  AHA_RETURN_IF_ERROR(deeper.Check(Now().line));
  ExpressionPtr node = New(Node::kUnary, Take().line);
  node->text = "not";
  AHA_ASSIGN_OR_RETURN(node->operands.emplace_back(), ParseNot());
  return Done(std::move(node));
}

ParseResult Parser::ParseCompare() {
  static constexpr absl::string_view kOperators[] = {"==", "!=", "<",
                                                     "<=", ">",  ">="};
  const int line = Now().line;
  AHA_ASSIGN_OR_RETURN(ExpressionPtr first, ParseSum());
  ExpressionPtr node = New(Node::kCompare, line);
  node->operands.push_back(std::move(first));
  while (true) {
    if (Now().type == TokenType::kOperator &&
        std::find(std::begin(kOperators), std::end(kOperators), Now().text) !=
            std::end(kOperators)) {
      node->texts.push_back(Take().text);
    } else if (SkipName("in")) {
      node->texts.push_back("in");
    } else if (IsName("not") && Peek().type == TokenType::kName &&
               Peek().text == "in") {
      Take();
      Take();
      node->texts.push_back("not in");
    } else {
      break;
    }
    AHA_ASSIGN_OR_RETURN(node->operands.emplace_back(), ParseSum());
  }
  if (node->texts.empty()) return std::move(node->operands[0]);
  return Done(std::move(node));
}

ParseResult Parser::ParseConcat() {
  AHA_ASSIGN_OR_RETURN(ExpressionPtr first, ParseProduct());
  if (!IsOperator("~")) return first;
  ExpressionPtr node = New(Node::kBinary, first->line);
  node->text = "~";
  node->operands.push_back(std::move(first));
  while (SkipOperator("~")) {
    AHA_ASSIGN_OR_RETURN(node->operands.emplace_back(), ParseProduct());
  }
  return Done(std::move(node));
}

ParseResult Parser::ParseUnary(bool with_filters) {
  ExpressionPtr node;
  if (IsOperator("-") || IsOperator("+")) {
    const Deeper deeper(&depth_);
    AHA_RETURN_IF_ERROR(deeper.Check(Now().line));
    node = New(Node::kUnary, Now().line);
    node->text = Take().text;
    AHA_ASSIGN_OR_RETURN(node->operands.emplace_back(), ParseUnary(false));
    AHA_ASSIGN_OR_RETURN(node, Done(std::move(node)));
  } else {
    AHA_ASSIGN_OR_RETURN(node, ParsePrimary());
  }
  AHA_ASSIGN_OR_RETURN(node, ParsePostfix(std::move(node)));
  return with_filters ? ParseFilters(std::move(node))
                      : ParseResult(std::move(node));
}

ParseResult Parser::ParseConstant() {
  ExpressionPtr node = New(Node::kConstant, Now().line);
  const Token token = Take();
  int64_t integer = 0;
  double real = 0;
  switch (token.type) {
    case TokenType::kInteger:
      if (!absl::SimpleAtoi(token.text, &integer)) {
        return UnsupportedAt(token.line, "an integer above 2^63 - 1");
      }
      if (token.text.size() > 1 && token.text[0] == '0' && integer != 0) {
        return ErrorAt(token.line, "a number must not begin with 0");
      }
      node->value = Value::Int(integer);
      break;
    case TokenType::kFloat:
      (void)absl::SimpleAtod(token.text, &real);  // The lexer checked it.
      node->value = Value::Float(real);
      break;
    default:
      node->text = token.text;
      while (Now().type == TokenType::kString) node->text += Take().text;
      node->value = Value::Text(&node->text);
      break;
  }
  return node;
}

ParseResult Parser::ParsePrimary() {
  const int line = Now().line;
  switch (Now().type) {
    case TokenType::kString:
    case TokenType::kInteger:
    case TokenType::kFloat:
      return ParseConstant();
    case TokenType::kName: {
      ExpressionPtr node = New(Node::kConstant, line);
      node->text = Take().text;
      if (node->text == "true" || node->text == "True") {
        node->value = Value::Bool(true);
      } else if (node->text == "false" || node->text == "False") {
        node->value = Value::Bool(false);
      } else if (node->text == "none" || node->text == "None") {
        node->value = Value::None();
      } else {
        node->type = Node::kName;
      }
      return node;
    }
    default:
      break;
  }
  if (IsOperator("[")) return ParseList();
  if (IsOperator("{")) return ParseDict();
  if (!SkipOperator("(")) return Unexpected("an expression");
  AHA_ASSIGN_OR_RETURN(ExpressionPtr node, ParseTuple(true, "", true));
  AHA_RETURN_IF_ERROR(ExpectOperator(")"));
  return node;
}

bool Parser::AtTupleEnd(absl::string_view end_name) const {
  return Now().type == TokenType::kBlockEnd ||
         Now().type == TokenType::kOutputEnd || IsOperator(")") ||
         (!end_name.empty() && IsName(end_name));
}

ParseResult Parser::ParseTuple(bool conditions, absl::string_view end_name,
                               bool parentheses) {
  ExpressionPtr tuple = New(Node::kTuple, Now().line);
  bool comma = false;
  while (!AtTupleEnd(end_name)) {
    if (!tuple->operands.empty() && !comma) break;
    AHA_ASSIGN_OR_RETURN(tuple->operands.emplace_back(),
                         conditions ? ParseExpression() : ParseOr());
    comma = SkipOperator(",");
    if (!comma) break;
  }
  if (tuple->operands.size() == 1 && !comma) {
    return std::move(tuple->operands[0]);
  }
  if (tuple->operands.empty() && !parentheses) {
    return Unexpected("an expression");
  }
  return Done(std::move(tuple));
}

ParseResult Parser::ParseList() {
  ExpressionPtr list = New(Node::kList, Take().line);
  while (!IsOperator("]")) {
    if (!list->operands.empty()) AHA_RETURN_IF_ERROR(ExpectOperator(","));
    if (IsOperator("]")) break;
    AHA_ASSIGN_OR_RETURN(list->operands.emplace_back(), ParseExpression());
  }
  Take();
  return Done(std::move(list));
}

ParseResult Parser::ParseDict() {
  ExpressionPtr dict = New(Node::kDict, Take().line);
  while (!IsOperator("}")) {
    if (!dict->named.empty()) AHA_RETURN_IF_ERROR(ExpectOperator(","));
    if (IsOperator("}")) break;
    NamedArgument& entry = dict->named.emplace_back();
    AHA_ASSIGN_OR_RETURN(entry.key, ParseExpression());
    AHA_RETURN_IF_ERROR(ExpectOperator(":"));
    AHA_ASSIGN_OR_RETURN(entry.value, ParseExpression());
  }
  Take();
  return Done(std::move(dict));
}

ParseResult Parser::ParsePostfix(ExpressionPtr node) {
  while (true) {
    if (IsOperator(".")) {
      AHA_ASSIGN_OR_RETURN(node, ParseAttribute(std::move(node)));
    } else if (IsOperator("[")) {
      AHA_ASSIGN_OR_RETURN(node, ParseSubscript(std::move(node)));
    } else if (IsOperator("(")) {
      AHA_ASSIGN_OR_RETURN(node, ParseCall(std::move(node)));
    } else {
      return node;
    }
  }
}

ParseResult Parser::ParseAttribute(ExpressionPtr node) {
  const int line = Take().line;
  if (Now().type == TokenType::kInteger) {
    ExpressionPtr item = New(Node::kItem, line);
    item->operands.push_back(std::move(node));
    AHA_ASSIGN_OR_RETURN(item->operands.emplace_back(), ParseConstant());
    return Done(std::move(item));
  }
  ExpressionPtr attribute = New(Node::kAttribute, line);
  AHA_ASSIGN_OR_RETURN(attribute->text, ExpectName());
  attribute->operands.push_back(std::move(node));
  return Done(std::move(attribute));
}

ParseResult Parser::ParseSubscript(ExpressionPtr node) {
  const int line = Take().line;
  ExpressionPtr out = New(Node::kItem, line);
  out->operands.push_back(std::move(node));
  ExpressionPtr parts[3];
  int colons = 0;
  while (!IsOperator("]")) {
    if (SkipOperator(":")) {
      if (++colons > 2) return Unexpected("]");
      continue;
    }
    if (parts[colons]) {
      return IsOperator(",") ? UnsupportedAt(line, "an index of several parts")
                             : Unexpected("]");
    }
    AHA_ASSIGN_OR_RETURN(parts[colons], ParseExpression());
  }
  if (colons == 0 && !parts[0]) return Unexpected("an expression");
  Take();
  if (colons > 0) out->type = Node::kSlice;
  for (int i = 0; i < (colons > 0 ? 3 : 1); ++i) {
    out->operands.push_back(std::move(parts[i]));
  }
  return Done(std::move(out));
}

ParseResult Parser::ParseCall(ExpressionPtr node) {
  ExpressionPtr call = New(Node::kCall, Now().line);
  call->operands.push_back(std::move(node));
  AHA_RETURN_IF_ERROR(ParseArguments(call.get()));
  return Done(std::move(call));
}

absl::Status Parser::ParseArguments(Expression* node) {
  AHA_RETURN_IF_ERROR(ExpectOperator("("));
  bool comma = true;
  while (!IsOperator(")")) {
    if (!comma) return Unexpected(")");
    if (IsOperator("*") || IsOperator("**")) {
      return UnsupportedAt(Now().line, "an argument with * or **");
    }
    if (Now().type == TokenType::kName && Peek().type == TokenType::kOperator &&
        Peek().text == "=") {
      NamedArgument& argument = node->named.emplace_back();
      argument.name = Take().text;
      Take();
      AHA_ASSIGN_OR_RETURN(argument.value, ParseExpression());
    } else if (!node->named.empty()) {
      return Unexpected("an argument with a name");
    } else {
      AHA_ASSIGN_OR_RETURN(node->operands.emplace_back(), ParseExpression());
    }
    comma = SkipOperator(",");
  }
  Take();
  return absl::OkStatus();
}

ParseResult Parser::ParseFilters(ExpressionPtr node) {
  while (true) {
    if (SkipOperator("|")) {
      AHA_ASSIGN_OR_RETURN(node, ParseOneFilter(std::move(node)));
    } else if (IsName("is")) {
      AHA_ASSIGN_OR_RETURN(node, ParseTest(std::move(node)));
    } else if (IsOperator("(")) {
      AHA_ASSIGN_OR_RETURN(node, ParseCall(std::move(node)));
    } else {
      return node;
    }
  }
}

ParseResult Parser::ParseOneFilter(ExpressionPtr node) {
  ExpressionPtr filter = New(Node::kFilter, Now().line);
  AHA_ASSIGN_OR_RETURN(filter->text, ExpectName());
  filter->operands.push_back(std::move(node));
  if (IsOperator("(")) AHA_RETURN_IF_ERROR(ParseArguments(filter.get()));
  return Done(std::move(filter));
}

ParseResult Parser::ParseTest(ExpressionPtr node) {
  const int line = Take().line;
  const bool negated = SkipName("not");
  ExpressionPtr test = New(Node::kTest, line);
  AHA_ASSIGN_OR_RETURN(test->text, ExpectName());
  test->operands.push_back(std::move(node));
  const bool argument =
      (Now().type == TokenType::kName && !IsName("else") && !IsName("or") &&
       !IsName("and")) ||
      Now().type == TokenType::kString || Now().type == TokenType::kInteger ||
      Now().type == TokenType::kFloat || IsOperator("[") || IsOperator("{");
  if (IsOperator("(")) {
    AHA_RETURN_IF_ERROR(ParseArguments(test.get()));
  } else if (argument) {
    if (IsName("is")) return Unexpected("one test");
    AHA_ASSIGN_OR_RETURN(ExpressionPtr value, ParsePrimary());
    AHA_ASSIGN_OR_RETURN(test->operands.emplace_back(),
                         ParsePostfix(std::move(value)));
  }
  AHA_ASSIGN_OR_RETURN(test, Done(std::move(test)));
  if (!negated) return test;
  ExpressionPtr out = New(Node::kUnary, line);
  out->text = "not";
  out->operands.push_back(std::move(test));
  return Done(std::move(out));
}

absl::StatusOr<Body> Parser::ParseBody(
    std::initializer_list<absl::string_view> ends) {
  const Deeper deeper(&depth_);
  AHA_RETURN_IF_ERROR(deeper.Check(Now().line));
  Body body;
  const int begin = Now().line;
  while (true) {
    const Token token = Take();
    if (token.type == TokenType::kEnd) {
      if (ends.size() == 0) return body;
      return ErrorAt(begin, absl::StrCat("the template ends before {% ",
                                         *(ends.end() - 1), " %}"));
    }
    if (token.type == TokenType::kText) {
      body.push_back(NewStatement(Statement::Type::kText, token.line));
      body.back().text = token.text;
      continue;
    }
    if (token.type == TokenType::kOutputBegin) {
      body.push_back(NewStatement(Statement::Type::kOutput, token.line));
      AHA_ASSIGN_OR_RETURN(body.back().expression, ParseTuple(true));
      if (Now().type != TokenType::kOutputEnd) return Unexpected("}}");
      Take();
      continue;
    }
    if (Now().type == TokenType::kName &&
        std::find(ends.begin(), ends.end(), Now().text) != ends.end()) {
      return body;
    }
    AHA_ASSIGN_OR_RETURN(body.emplace_back(), ParseStatement());
  }
}

absl::StatusOr<Body> Parser::ParseBodyUntil(absl::string_view end) {
  AHA_ASSIGN_OR_RETURN(Body body, ParseBody({end}));
  Take();
  AHA_RETURN_IF_ERROR(ExpectEnd());
  return body;
}

absl::StatusOr<Statement> Parser::ParseStatement() {
  const int line = Now().line;
  AHA_ASSIGN_OR_RETURN(const std::string name, ExpectName());
  if (name == "if") return ParseIf();
  if (name == "for") return ParseFor();
  if (name == "set") return ParseSet();
  if (name == "macro") return ParseMacro();
  if (name == "with") return ParseWith();
  if (name == "filter") return ParseFilterBlock();
  if (name == "generation") return ParseGeneration();
  if (name == "break" || name == "continue") {
    return ParseLoopControl(name == "break");
  }
  return UnsupportedAt(line, absl::StrCat("the statement {% ", name, " %}"));
}

absl::StatusOr<Statement> Parser::ParseIf() {
  Statement out = NewStatement(Statement::Type::kIf, Now().line);
  bool last = false;
  while (!last) {
    Branch branch;
    AHA_ASSIGN_OR_RETURN(branch.condition, ParseTuple(false));
    AHA_RETURN_IF_ERROR(ExpectEnd());
    AHA_ASSIGN_OR_RETURN(branch.body, ParseBody({"elif", "else", "endif"}));
    out.branches.push_back(std::move(branch));
    if (SkipName("elif")) continue;
    if (SkipName("else")) {
      AHA_RETURN_IF_ERROR(ExpectEnd());
      Branch otherwise;
      AHA_ASSIGN_OR_RETURN(otherwise.body, ParseBody({"endif"}));
      out.branches.push_back(std::move(otherwise));
    }
    Take();
    last = true;
  }
  AHA_RETURN_IF_ERROR(ExpectEnd());
  return out;
}

absl::StatusOr<Target> Parser::ParseTarget(bool attributes) {
  Target target;
  const bool parentheses = SkipOperator("(");
  AHA_ASSIGN_OR_RETURN(target.names.emplace_back(), ExpectName());
  if (attributes && !parentheses && SkipOperator(".")) {
    AHA_ASSIGN_OR_RETURN(target.attribute, ExpectName());
    return target;
  }
  while (SkipOperator(",")) {
    target.tuple = true;
    if (Now().type != TokenType::kName || IsName("in")) break;
    AHA_ASSIGN_OR_RETURN(target.names.emplace_back(), ExpectName());
  }
  if (parentheses) AHA_RETURN_IF_ERROR(ExpectOperator(")"));
  return target;
}

absl::StatusOr<Statement> Parser::ParseFor() {
  Statement out = NewStatement(Statement::Type::kFor, Now().line);
  AHA_ASSIGN_OR_RETURN(out.target, ParseTarget(false));
  if (!SkipName("in")) return Unexpected("in");
  AHA_ASSIGN_OR_RETURN(out.expression, ParseTuple(false, "recursive"));
  if (SkipName("if")) {
    AHA_ASSIGN_OR_RETURN(out.condition, ParseExpression());
  }
  if (IsName("recursive")) return UnsupportedAt(out.line, "a recursive loop");
  AHA_RETURN_IF_ERROR(ExpectEnd());
  ++loops_;
  AHA_ASSIGN_OR_RETURN(out.body, ParseBody({"else", "endfor"}));
  --loops_;
  if (SkipName("else")) {
    AHA_RETURN_IF_ERROR(ExpectEnd());
    AHA_ASSIGN_OR_RETURN(out.branches.emplace_back().body,
                         ParseBody({"endfor"}));
  }
  Take();
  AHA_RETURN_IF_ERROR(ExpectEnd());
  return out;
}

absl::StatusOr<Statement> Parser::ParseSet() {
  Statement out = NewStatement(Statement::Type::kSet, Now().line);
  AHA_ASSIGN_OR_RETURN(out.target, ParseTarget(true));
  if (SkipOperator("=")) {
    AHA_ASSIGN_OR_RETURN(out.expression, ParseTuple(true));
    AHA_RETURN_IF_ERROR(ExpectEnd());
    return out;
  }
  out.type = Statement::Type::kSetBlock;
  if (out.target.tuple) return Unexpected("=");
  if (IsOperator("|")) {
    out.filters = New(Node::kName, out.line);
    out.filters->text = kPlaceholder;
    AHA_ASSIGN_OR_RETURN(out.filters, ParseFilters(std::move(out.filters)));
  }
  AHA_RETURN_IF_ERROR(ExpectEnd());
  AHA_ASSIGN_OR_RETURN(out.body, ParseBodyUntil("endset"));
  return out;
}

absl::StatusOr<Statement> Parser::ParseMacro() {
  Statement out = NewStatement(Statement::Type::kMacro, Now().line);
  AHA_ASSIGN_OR_RETURN(out.text, ExpectName());
  AHA_RETURN_IF_ERROR(ExpectOperator("("));
  while (!IsOperator(")")) {
    if (!out.parameters.empty()) AHA_RETURN_IF_ERROR(ExpectOperator(","));
    if (IsOperator(")")) break;
    AHA_ASSIGN_OR_RETURN(out.parameters.emplace_back(), ExpectName());
    if (SkipOperator("=")) {
      AHA_ASSIGN_OR_RETURN(out.defaults.emplace_back(), ParseExpression());
    } else if (!out.defaults.empty()) {
      return Unexpected("a default, as the parameter before has one");
    }
  }
  Take();
  AHA_RETURN_IF_ERROR(ExpectEnd());
  const int loops = std::exchange(loops_, 0);
  AHA_ASSIGN_OR_RETURN(out.body, ParseBodyUntil("endmacro"));
  loops_ = loops;
  return out;
}

absl::StatusOr<Statement> Parser::ParseWith() {
  Statement out = NewStatement(Statement::Type::kScope, Now().line);
  while (Now().type != TokenType::kBlockEnd) {
    if (!out.assignments.empty()) AHA_RETURN_IF_ERROR(ExpectOperator(","));
    Target target;
    AHA_ASSIGN_OR_RETURN(target.names.emplace_back(), ExpectName());
    AHA_RETURN_IF_ERROR(ExpectOperator("="));
    AHA_ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
    out.assignments.emplace_back(std::move(target), std::move(value));
  }
  AHA_RETURN_IF_ERROR(ExpectEnd());
  AHA_ASSIGN_OR_RETURN(out.body, ParseBodyUntil("endwith"));
  return out;
}

absl::StatusOr<Statement> Parser::ParseFilterBlock() {
  Statement out = NewStatement(Statement::Type::kFilterBlock, Now().line);
  ExpressionPtr text = New(Node::kName, out.line);
  text->text = kPlaceholder;
  AHA_ASSIGN_OR_RETURN(text, ParseOneFilter(std::move(text)));
  AHA_ASSIGN_OR_RETURN(out.filters, ParseFilters(std::move(text)));
  AHA_RETURN_IF_ERROR(ExpectEnd());
  AHA_ASSIGN_OR_RETURN(out.body, ParseBodyUntil("endfilter"));
  return out;
}

// transformers runs the body of {% generation %} as a macro.
absl::StatusOr<Statement> Parser::ParseGeneration() {
  Statement out = NewStatement(Statement::Type::kScope, Now().line);
  AHA_RETURN_IF_ERROR(ExpectEnd());
  const int loops = std::exchange(loops_, 0);
  AHA_ASSIGN_OR_RETURN(out.body, ParseBodyUntil("endgeneration"));
  loops_ = loops;
  return out;
}

absl::StatusOr<Statement> Parser::ParseLoopControl(bool is_break) {
  Statement out = NewStatement(
      is_break ? Statement::Type::kBreak : Statement::Type::kContinue,
      Now().line);
  if (loops_ == 0) {
    return ErrorAt(out.line, absl::StrCat(is_break ? "break" : "continue",
                                          " must stand in a for loop"));
  }
  AHA_RETURN_IF_ERROR(ExpectEnd());
  return out;
}

}  // namespace

absl::StatusOr<Body> ParseTemplate(absl::string_view source) {
  if (const size_t bad = FindMalformedUtf8(source); bad != source.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "chat_template: must be UTF-8, but byte ", bad, " is not"));
  }
  AHA_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Template();
}

}  // namespace aha::jinja
