#include "rewards/math/compare.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "rewards/math/evaluate.h"
#include "rewards/math/expression.h"
#include "rewards/math/lexer.h"
#include "rewards/math/parser.h"
#include "rewards/math/polynomial.h"
#include "rewards/plain_math.h"

namespace aha::rewards::math {
namespace {

using absl::string_view;

// What a decimal may be off a number without a finite one.
const mpq_class& DecimalTolerance() {
  static const auto* const tolerance = new mpq_class(1, 1'000'000);
  return *tolerance;
}

bool IsInequality(const Expression& x) {
  return x->kind == Kind::kRelation && absl::c_all_of(x->name, [](char sign) {
           return absl::StrContains("<>lg", sign);
         });
}

bool IsCollection(Kind kind) {
  switch (kind) {
    case Kind::kTuple:
    case Kind::kSet:
    case Kind::kList:
    case Kind::kMatrix:
    case Kind::kRelation:
    case Kind::kSetUnion:
    case Kind::kSetMinus:
    case Kind::kIntersect:
    case Kind::kRatio:
      return true;
    default:
      return false;
  }
}

// 1 or -1 for infinity with this sign, else 0.
int InfinitySign(const Expression& x) {
  if (x->kind == Kind::kNegate) return -InfinitySign(x->args[0]);
  return x->kind == Kind::kConstant && x->name == "\\infty" ? 1 : 0;
}

bool IsSymbol(const Expression& x) {
  return x->kind == Kind::kSymbol || x->kind == Kind::kText;
}

// Whether it names something, so that "name = value" says no more than the
// value: x, f(2), f(x), AB, |AB|, A:B, (x, y), \frac{AB}{CD}.
bool IsName(const Expression& x) {
  switch (x->kind) {
    case Kind::kSymbol:
    case Kind::kText:
      return true;
    case Kind::kMultiply:
      if (x->args.size() == 2 && IsSymbol(x->args[0]) &&
          x->args[1]->kind == Kind::kNumber) {
        return true;
      }
      break;
    case Kind::kFunction:
      if (x->name != "abs") return false;
      break;
    case Kind::kTuple:
    case Kind::kRatio:
    case Kind::kDivide:
      break;
    default:
      return false;
  }
  return absl::c_all_of(x->args, IsName);
}

// The first and the last side of a chain of equations, without what is only
// approximately equal: "x = 1/3 \approx 0.3" is x = 1/3.
struct Equation {
  Expression left;
  Expression right;
};
std::optional<Equation> AsEquation(const Expression& x) {
  if (x->kind != Kind::kRelation) return std::nullopt;
  size_t last = 0;
  while (last < x->name.size() && x->name[last] == kEqualSign) ++last;
  if (last == 0 && x->name[0] == kAboutSign) last = 1;
  if (last == 0 || !absl::c_all_of(x->name.substr(last), [](char sign) {
        return sign == kAboutSign;
      })) {
    return std::nullopt;
  }
  return Equation{x->args[0], x->args[last]};
}

// Whether it says what a name is: "x = 5", "3 < x".
bool IsSolved(const Expression& relation) {
  const std::vector<Expression>& sides = relation->args;
  return sides.size() == 2 && ((IsName(sides[0]) && !HasSymbol(sides[1])) ||
                               (IsName(sides[1]) && !HasSymbol(sides[0])));
}

char Mirrored(char sign) {
  switch (sign) {
    case kLessSign:
      return kGreaterSign;
    case kGreaterSign:
      return kLessSign;
    case kLessEqualSign:
      return kGreaterEqualSign;
    case kGreaterEqualSign:
      return kLessEqualSign;
    default:
      return sign;
  }
}

Expression Mirror(const Expression& relation) {
  std::vector<Expression> sides(relation->args.rbegin(), relation->args.rend());
  std::string signs(relation->name.rbegin(), relation->name.rend());
  for (char& sign : signs) sign = Mirrored(sign);
  return Make(Kind::kRelation, std::move(sides), std::move(signs));
}

// The relation of the negated sides: "-x > -1" becomes "x < 1".
Expression Negated(const Expression& relation) {
  std::vector<Expression> sides;
  for (const Expression& side : relation->args) {
    sides.push_back(Make(Kind::kNegate, {side}));
  }
  std::string signs = relation->name;
  for (char& sign : signs) sign = Mirrored(sign);
  return Make(Kind::kRelation, std::move(sides), std::move(signs));
}

Expression Infinity(bool negative) {
  Expression infinity = MakeName(Kind::kConstant, "\\infty");
  return negative ? Make(Kind::kNegate, {std::move(infinity)}) : infinity;
}

Expression Interval(Expression low, bool open_low, Expression high,
                    bool open_high) {
  std::string brackets = open_low ? "(" : "[";
  brackets += open_high ? ")" : "]";
  return Make(Kind::kTuple, {std::move(low), std::move(high)}, brackets);
}

// The interval of the values of a name: "x < 5", "2 \le x < 5".
Expression AsInterval(const Expression& x) {
  if (!IsInequality(x)) return nullptr;
  if (absl::StrContains(">g", x->name[0])) return AsInterval(Mirror(x));
  const auto strict = [&](size_t i) { return x->name[i] == kLessSign; };
  if (x->args.size() == 2) {
    if (IsName(x->args[0]) && !HasSymbol(x->args[1])) {
      return Interval(Infinity(true), true, x->args[1], strict(0));
    }
    if (IsName(x->args[1]) && !HasSymbol(x->args[0])) {
      return Interval(x->args[0], strict(0), Infinity(false), true);
    }
    return nullptr;
  }
  const bool between =
      x->args.size() == 3 && absl::StrContains("<l", x->name[1]) &&
      IsName(x->args[1]) && !HasSymbol(x->args[0]) && !HasSymbol(x->args[2]);
  return between ? Interval(x->args[0], strict(0), x->args[2], strict(1))
                 : nullptr;
}

// What an answer says at last: S of "x \in S", a list of one element alone.
Expression Simplified(Expression x) {
  for (;;) {
    if (x->kind == Kind::kRelation && x->name == "e" && IsName(x->args[0])) {
      x = x->args[1];
    } else if (x->kind == Kind::kList && x->args.size() == 1) {
      x = x->args[0];
    } else if (x->kind == Kind::kSymbol && x->name == "\\mathbb{R}") {
      return Interval(Infinity(true), true, Infinity(false), true);
    } else {
      return x;
    }
  }
}

// A number with what it is measured in.
struct Measured {
  Expression value;
  std::string unit;  // "%" for percent; empty if there is none.
};
Measured Measure(const Expression& x) {
  switch (x->kind) {
    case Kind::kUnit:
      return {x->args[0], x->name};
    case Kind::kPercent:
      return {x->args[0], "%"};
    case Kind::kDegree:
      return {x->args[0], "degree"};
    default:
      return {x, ""};
  }
}

// The elements of a list or a set, each \pm as two of them.
std::vector<Expression> Elements(const Expression& x) {
  std::vector<Expression> elements;
  if (x->kind == Kind::kList || x->kind == Kind::kSet) {
    for (const Expression& arg : x->args) {
      // A list or a set in a list is one element.
      const bool nested = arg->kind == Kind::kList || arg->kind == Kind::kSet;
      for (const Expression& element :
           nested ? std::vector<Expression>{arg} : Elements(arg)) {
        elements.push_back(element);
      }
    }
    return elements;
  }
  if (!HasPlusMinus(x)) return {x};
  for (const bool second : {false, true}) {
    if (Expression chosen = ChooseSign(x, second)) elements.push_back(chosen);
  }
  return elements;
}

// Whether each element gives a value to another name.
bool NamesEach(const std::vector<Expression>& elements) {
  std::vector<std::string> names;
  for (const Expression& element : elements) {
    const auto equation = AsEquation(element);
    if (!equation || !IsSymbol(equation->left) ||
        absl::c_linear_search(names, equation->left->name)) {
      return false;
    }
    names.push_back(equation->left->name);
  }
  return true;
}

// Compares two expressions, and remembers what decided.
class Comparer {
 public:
  Comparer(const Tolerance& tolerance, Budget* budget)
      : tolerance_(tolerance), budget_(*budget) {}

  // Whether a, of the answer, is b, of the reference.
  bool Same(Expression a, Expression b);
  string_view tier() const { return tier_; }

 private:
  bool Decide(bool same, string_view tier) {
    if (same) tier_ = tier;
    return same;
  }
  bool SameInOrder(const std::vector<Expression>& a,
                   const std::vector<Expression>& b);
  bool SameInAnyOrder(std::vector<Expression> a, std::vector<Expression> b);
  std::vector<Expression> Distinct(const std::vector<Expression>& all);
  bool SameCollections(const Expression& a, const Expression& b);
  bool SameLists(const Expression& a, const Expression& b);
  bool SameTuples(const Expression& a, const Expression& b);
  bool SameMatrices(const Expression& a, const Expression& b);
  bool SameWithRelation(const Expression& a, const Expression& b);
  bool SameRelations(const Expression& a, const Expression& b);
  bool SameSides(const Expression& a, const Expression& b);
  bool SameUpToFactor(const Expression& a, const Expression& b);
  bool IsTheRelationsValue(const Expression& relation, const Expression& x,
                           bool relation_first);
  bool SameMeasured(const Expression& a, const Expression& b);
  bool SameScalars(const Expression& a, const Expression& b);
  bool SameRationals(const Expression& a, const mpq_class& x,
                     const Expression& b, const mpq_class& y);
  bool SameDecimals(const Expression& a, const Expression& b);
  bool SameStructure(const Expression& a, const Expression& b);
  std::optional<bool> SameFunctions(const Expression& a, const Expression& b);
  Expression MatrixValue(const Expression& x);

  const Tolerance& tolerance_;
  Budget& budget_;
  string_view tier_;
};

bool Comparer::SameInOrder(const std::vector<Expression>& a,
                           const std::vector<Expression>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Same(a[i], b[i])) return false;
  }
  return true;
}

std::vector<Expression> Comparer::Distinct(const std::vector<Expression>& all) {
  std::vector<Expression> distinct;
  for (const Expression& x : all) {
    if (budget_.spent()) break;  // Then nothing is the same, at any length.
    if (absl::c_none_of(distinct,
                        [&](const Expression& y) { return Same(x, y); })) {
      distinct.push_back(x);
    }
  }
  return distinct;
}

// Equality is as good as transitive, so the first partner that fits will do.
bool Comparer::SameInAnyOrder(std::vector<Expression> a,
                              std::vector<Expression> b) {
  if (a.size() != b.size()) {
    a = Distinct(a);
    b = Distinct(b);
    if (a.size() != b.size() || budget_.spent()) return false;
  }
  std::vector<bool> taken(b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    bool found = false;
    for (size_t k = 0; k < b.size() && !found && !budget_.spent(); ++k) {
      const size_t j = (i + k) % b.size();  // The same place first.
      found = !taken[j] && Same(a[i], b[j]);
      if (found) taken[j] = true;
    }
    if (!found) return false;
  }
  return true;
}

bool Comparer::SameLists(const Expression& a, const Expression& b) {
  const auto is_list = [](const Expression& x) {
    return x->kind == Kind::kList || x->kind == Kind::kSet || HasPlusMinus(x);
  };
  // "x < 2 or x > 3" is a union.
  for (const auto& [list, set] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if ((*list)->kind == Kind::kList && (*set)->kind == Kind::kSetUnion) {
      return absl::c_all_of((*list)->args, IsInequality) &&
             SameInAnyOrder(a->args, b->args) && Decide(true, "interval");
    }
  }
  // A list without braces may be meant as a tuple.
  for (const auto& [list, tuple] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if ((*list)->kind == Kind::kList && (*tuple)->kind == Kind::kTuple) {
      return (*tuple)->name == "()" && SameInOrder(a->args, b->args) &&
             Decide(true, "tuple");
    }
  }
  const std::vector<Expression> left = Elements(a);
  const std::vector<Expression> right = Elements(b);
  if (is_list(a) != is_list(b) && (left.size() != 1 || right.size() != 1)) {
    return false;
  }
  if (left.size() == 1 && right.size() == 1 && left[0] == a && right[0] == b) {
    return false;
  }
  // "x = 5, y = 6" is (5, 6) and not (6, 5).
  const bool in_order = NamesEach(left) != NamesEach(right);
  return (in_order ? SameInOrder(left, right) : SameInAnyOrder(left, right)) &&
         Decide(true, "list");
}

bool Comparer::SameTuples(const Expression& a, const Expression& b) {
  const bool interval = a->args.size() == 2;
  return (!interval || a->name == b->name) && SameInOrder(a->args, b->args) &&
         Decide(true, interval && a->name != "()" ? "interval" : "tuple");
}

// Sums and products of matrices as one matrix; null if it has another value.
Expression Comparer::MatrixValue(const Expression& x) {
  if (x->kind == Kind::kMatrix) return x->name.empty() ? x : nullptr;
  if ((x->kind != Kind::kAdd && x->kind != Kind::kMultiply) ||
      x->args.size() < 2) {
    return nullptr;
  }
  Expression result = MatrixValue(x->args[0]);
  for (size_t n = 1; n < x->args.size() && result != nullptr; ++n) {
    const Expression by = MatrixValue(x->args[n]);
    if (by == nullptr) return nullptr;
    const std::vector<Expression>& left = result->args;
    const std::vector<Expression>& right = by->args;
    const bool sum = x->kind == Kind::kAdd;
    const size_t columns = right[0]->args.size();
    const size_t inner = left[0]->args.size();
    if (sum ? left.size() != right.size() || inner != columns
            : inner != right.size()) {
      return nullptr;
    }
    std::vector<Expression> rows;
    for (size_t i = 0; i < left.size(); ++i) {
      std::vector<Expression> row;
      for (size_t j = 0; j < columns; ++j) {
        std::vector<Expression> terms;
        for (size_t k = 0; k < (sum ? 1 : inner); ++k) {
          terms.push_back(Make(x->kind, {left[i]->args[sum ? j : k],
                                         right[sum ? i : k]->args[j]}));
        }
        if (!budget_.Spend(static_cast<int64_t>(terms.size()))) return nullptr;
        row.push_back(Make(Kind::kAdd, std::move(terms)));
      }
      rows.push_back(Make(Kind::kList, std::move(row)));
    }
    result = Make(Kind::kMatrix, std::move(rows));
  }
  return result;
}

bool Comparer::SameMatrices(const Expression& a, const Expression& b) {
  if (a->kind == Kind::kTuple || b->kind == Kind::kTuple) {
    // A column, or a row, as a tuple.
    const Expression& tuple = a->kind == Kind::kTuple ? a : b;
    const Expression& matrix = a->kind == Kind::kTuple ? b : a;
    if (matrix->kind != Kind::kMatrix || !matrix->name.empty() ||
        tuple->name != "()") {
      return false;
    }
    std::vector<Expression> entries;
    for (const Expression& row : matrix->args) {
      if (row->args.size() > 1 && matrix->args.size() > 1) return false;
      entries.insert(entries.end(), row->args.begin(), row->args.end());
    }
    return SameInOrder(entries, tuple->args) && Decide(true, "matrix");
  }
  const Expression left = a->kind == Kind::kMatrix ? a : MatrixValue(a);
  const Expression right = b->kind == Kind::kMatrix ? b : MatrixValue(b);
  if (left == nullptr || right == nullptr || left->name != right->name ||
      left->args.size() != right->args.size()) {
    return false;
  }
  for (size_t i = 0; i < left->args.size(); ++i) {
    if (!SameInOrder(left->args[i]->args, right->args[i]->args)) return false;
  }
  return Decide(true, "matrix");
}

// Equations that differ by a factor, and inequalities by a positive one.
bool Comparer::SameUpToFactor(const Expression& a, const Expression& b) {
  if (a->name != b->name ||
      !(IsInequality(a) || a->name == "=" || a->name == "#")) {
    return false;
  }
  for (const Expression& side :
       {a->args[0], a->args[1], b->args[0], b->args[1]}) {
    if (AnyNode(side, [](const Node& node) {
          return IsCollection(node.kind) || node.kind == Kind::kText;
        })) {
      return false;
    }
  }
  const auto difference = [](const Expression& relation) {
    return Make(Kind::kAdd,
                {relation->args[0], Make(Kind::kNegate, {relation->args[1]})});
  };
  const Expression left = difference(a);
  const Expression right = difference(b);
  if (left == nullptr || right == nullptr) return false;
  const bool positive = IsInequality(a);
  Finding finding = CompareUpToFactor(left, right, positive, &budget_);
  if (finding == Finding::kUnknown) {
    finding = CompareValuesUpToFactor(left, right, positive, &budget_);
  }
  return finding == Finding::kSame;
}

// The same sides in the same or the opposite order, or negated, or the same up
// to a factor.  The last does not count where the reference says what a name
// is, since "2x = 10" has not solved anything.
bool Comparer::SameSides(const Expression& a, const Expression& b) {
  const Expression mirrored = Mirror(b);
  const Expression negated = Negated(a);
  if (mirrored == nullptr || negated == nullptr) return false;
  for (const Expression& other : {b, mirrored}) {
    if ((a->name == other->name && SameInOrder(a->args, other->args)) ||
        (negated->name == other->name &&
         SameInOrder(negated->args, other->args))) {
      return true;
    }
  }
  if (a->args.size() != 2 || b->args.size() != 2 || IsSolved(b)) return false;
  return SameUpToFactor(a, a->name == b->name ? b : mirrored);
}

bool Comparer::SameRelations(const Expression& a, const Expression& b) {
  const auto left = AsEquation(a);
  const auto right = AsEquation(b);
  if (left.has_value() != right.has_value()) return false;
  if (!left) {
    return SameSides(a, b) &&
           Decide(true, IsInequality(a) ? "inequality" : "relation");
  }
  const Expression one = Make(Kind::kRelation, {left->left, left->right}, "=");
  const Expression two =
      Make(Kind::kRelation, {right->left, right->right}, "=");
  return one != nullptr && two != nullptr && SameSides(one, two) &&
         Decide(true, "equation");
}

// "name = value" is the value, and so is "2 + 3 = 5"; an inequality is the
// interval of the values that fulfil it.
bool Comparer::IsTheRelationsValue(const Expression& relation,
                                   const Expression& x, bool relation_first) {
  const auto same = [&](const Expression& value) {
    return relation_first ? Same(value, x) : Same(x, value);
  };
  if (const auto equation = AsEquation(relation)) {
    const bool named =
        IsName(equation->left) ||
        (!IsCollection(equation->left->kind) && !HasSymbol(equation->left) &&
         Same(equation->left, equation->right));
    return named && same(equation->right);
  }
  const Expression interval = AsInterval(relation);
  return interval != nullptr && x->kind == Kind::kTuple && same(interval) &&
         Decide(true, "interval");
}

bool Comparer::SameWithRelation(const Expression& a, const Expression& b) {
  const bool left = a->kind == Kind::kRelation;
  const bool right = b->kind == Kind::kRelation;
  if (left && right) return SameRelations(a, b);
  return left ? IsTheRelationsValue(a, b, true)
              : IsTheRelationsValue(b, a, false);
}

bool Comparer::SameCollections(const Expression& a, const Expression& b) {
  const auto either = [&](Kind kind) {
    return a->kind == kind || b->kind == kind;
  };
  if (either(Kind::kList) || either(Kind::kSet)) {
    // "n = 1, 2, 3" is a list that begins with a named value.
    return SameLists(a, b);
  }
  if (either(Kind::kRelation)) return SameWithRelation(a, b);
  if (either(Kind::kMatrix)) return SameMatrices(a, b);
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case Kind::kTuple:
      return SameTuples(a, b);
    case Kind::kSetUnion:
      return SameInAnyOrder(a->args, b->args) && Decide(true, "interval");
    default:
      return SameInOrder(a->args, b->args) && Decide(true, "structure");
  }
}

bool Comparer::Same(Expression a, Expression b) {
  if (a == nullptr || b == nullptr ||
      !budget_.Spend(4 + (a->size + b->size) / 64)) {
    return false;
  }
  a = Simplified(std::move(a));
  b = Simplified(std::move(b));
  if (a->kind == Kind::kText || b->kind == Kind::kText) {
    return a->kind == b->kind && Decide(a->name == b->name, "text");
  }
  if (a->kind == Kind::kBase || b->kind == Kind::kBase) {
    return a->kind == b->kind && Decide(a->name == b->name, "text");
  }
  const bool collections = IsCollection(a->kind) || IsCollection(b->kind);
  if (collections && !(IsCollection(a->kind) && IsCollection(b->kind)) &&
      (a->kind == Kind::kMatrix || b->kind == Kind::kMatrix)) {
    return SameMatrices(a, b);
  }
  if (!collections && (MatrixValue(a) != nullptr)) return SameMatrices(a, b);
  if (collections) return SameCollections(a, b);
  if (HasPlusMinus(a) || HasPlusMinus(b)) return SameLists(a, b);
  return SameMeasured(a, b);
}

bool Comparer::SameMeasured(const Expression& a, const Expression& b) {
  const Measured left = Measure(a);
  const Measured right = Measure(b);
  if (!left.unit.empty() && !right.unit.empty()) {
    return left.unit == right.unit && Same(left.value, right.value);
  }
  if (left.unit.empty() && right.unit.empty()) {
    return SameScalars(left.value, right.value);
  }
  if (Same(left.value, right.value)) return true;
  const auto hundredth = [](const Expression& x) {
    return Make(Kind::kDivide, {x, MakeNumber(100)});
  };
  if (left.unit == "%") return Same(hundredth(left.value), right.value);
  if (right.unit == "%") return Same(left.value, hundredth(right.value));
  return false;
}

bool Comparer::SameRationals(const Expression& a, const mpq_class& x,
                             const Expression& b, const mpq_class& y) {
  if (x == y) return Decide(true, "rational");
  const mpq_class distance = abs(x - y);
  const mpq_class size = std::max(mpq_class(abs(x)), mpq_class(abs(y)));
  const bool rounded = (HasDecimal(a) && !IsFiniteDecimal(y)) ||
                       (HasDecimal(b) && !IsFiniteDecimal(x));
  if (rounded && distance <= DecimalTolerance() * size) {
    return Decide(true, "decimal");
  }
  return Decide(distance <= tolerance_.absolute ||
                    distance <= tolerance_.relative * abs(y),
                "decimal");
}

// Numbers of which one at least is not rational.
bool Comparer::SameDecimals(const Expression& a, const Expression& b) {
  if (HasSymbol(a) || HasSymbol(b)) return false;
  const bool decimal = HasDecimal(a) != HasDecimal(b);
  const mpq_class relative =
      decimal ? std::max(DecimalTolerance(), tolerance_.relative)
              : tolerance_.relative;
  if (relative == 0 && tolerance_.absolute == 0) return false;
  return Decide(CompareWithin(a, b, relative, tolerance_.absolute, &budget_) ==
                    Finding::kSame,
                "decimal");
}

std::optional<bool> Comparer::SameFunctions(const Expression& a,
                                            const Expression& b) {
  const Finding exact = CompareRationalFunctions(a, b, &budget_);
  if (exact != Finding::kUnknown) {
    return Decide(exact == Finding::kSame, "polynomial");
  }
  const Finding values = CompareValues(a, b, &budget_);
  if (values == Finding::kUnknown) return std::nullopt;
  return Decide(values == Finding::kSame, "values");
}

bool Comparer::SameScalars(const Expression& a, const Expression& b) {
  const int left_infinity = InfinitySign(a);
  const int right_infinity = InfinitySign(b);
  if (left_infinity != 0 || right_infinity != 0) {
    return Decide(left_infinity == right_infinity, "structure");
  }
  const auto x = RationalValue(a, &budget_);
  const auto y = RationalValue(b, &budget_);
  if (x && y) return SameRationals(a, *x, b, *y);
  const std::optional<bool> functions = SameFunctions(a, b);
  if (functions == true || SameDecimals(a, b)) return true;
  return !functions.has_value() && !budget_.spent() && SameStructure(a, b);
}

// For what has no value: the same operation, with the same operands.  A
// number that is not defined, such as 1/0, is not even the same as itself.
bool Comparer::SameStructure(const Expression& a, const Expression& b) {
  if (a->kind != b->kind || a->name != b->name || a->args.empty() ||
      a->args.size() != b->args.size() || !HasSymbol(a)) {
    return false;
  }
  const bool any_order = a->kind == Kind::kAdd || a->kind == Kind::kMultiply;
  return (any_order ? SameInAnyOrder(a->args, b->args)
                    : SameInOrder(a->args, b->args)) &&
         Decide(true, "structure");
}

// "1,5" as "1.5", if that is all there is; "1,500" has a thousand.
std::optional<std::string> WithDecimalPoint(string_view text) {
  text = StripDelimiters(text);
  const size_t comma = text.find(',');
  if (comma == string_view::npos || comma == 0 || comma + 1 == text.size()) {
    return std::nullopt;
  }
  const size_t first = text[0] == '-' ? 1 : 0;
  if (text.size() - comma == 4 && text[first] != '0' && comma - first <= 3) {
    return std::nullopt;
  }
  for (size_t i = first; i < text.size(); ++i) {
    if (i != comma && !absl::ascii_isdigit(text[i])) return std::nullopt;
  }
  return absl::StrReplaceAll(text, {{",", "."}});
}

bool SameWords(const std::string& a, const std::string& b) {
  if (a == b) return true;
  return a.size() > 1 && absl::EqualsIgnoreCase(a, b) &&
         absl::c_all_of(a, [](unsigned char c) {
           return absl::ascii_isalpha(c) || c == ' ';
         });
}

}  // namespace

Comparison CompareAnswers(string_view answer, string_view reference,
                          const Tolerance& tolerance, Budget* budget) {
  if (answer.size() > kMaxAnswerBytes || reference.size() > kMaxAnswerBytes) {
    return {.limit = true};
  }
  const string_view given = StripDelimiters(answer);
  const string_view wanted = StripDelimiters(reference);
  if (given.empty()) return {};
  if (given == wanted) return {.same = true, .tier = "text"};
  const std::string canonical = CanonicalMath(given);
  if (!canonical.empty() && SameWords(canonical, CanonicalMath(wanted))) {
    return {.same = true, .tier = "text"};
  }
  const Parsed left = Parse(given, budget);
  const Parsed right = Parse(wanted, budget);
  Comparer comparer(tolerance, budget);
  bool same = comparer.Same(left.expression, right.expression);
  if (!same && left.expression != nullptr && right.expression != nullptr) {
    // One side is a list of two numbers, and the other is a number.
    const auto decimal = WithDecimalPoint(given);
    const auto wanted_decimal = WithDecimalPoint(wanted);
    if (decimal && right.expression->kind == Kind::kNumber) {
      same =
          comparer.Same(Parse(*decimal, budget).expression, right.expression);
    } else if (wanted_decimal && left.expression->kind == Kind::kNumber) {
      same = comparer.Same(left.expression,
                           Parse(*wanted_decimal, budget).expression);
    }
  }
  if (same) return {.same = true, .tier = comparer.tier()};
  return {.limit = budget->spent() || left.too_large || right.too_large,
          .unread = left.expression == nullptr};
}

}  // namespace aha::rewards::math
