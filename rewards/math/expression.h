// What a mathematical text means: a tree of immutable nodes, which
// parser.h makes of LaTeX and of plain text.
//
// A tree has at most kMaxDepth levels and kMaxNodes nodes, where a node that
// is shared counts as often as it occurs.  Nodes never change, so any thread
// may read them.
#pragma once

#include <gmpxx.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rewards/math/budget.h"

namespace aha::rewards::math {

enum class Kind {
  kNumber,     // `number`; `decimal` if it was written with a point.
  kSymbol,     // `name`: "x", "\alpha", "a_{1}"; also what is not understood
               // but can be compared as a whole ("\sum_{k=0}^{n}").
  kConstant,   // `name`: "\pi", "e", "i" or "\infty".
  kText,       // `name`: words.
  kAdd,        // Any number of terms.
  kMultiply,   // Any number of factors.
  kDivide,     // Two.
  kNegate,     // One.
  kPower,      // Base and exponent.
  kPlusMinus,  // One: both signs.  `name` is "-" for \mp.
  kFunction,   // `name` of one or two arguments, see evaluate.h.
  kPercent,    // One.
  kDegree,     // One, in degrees.
  kUnit,       // One, with the unit `name`: "cm^2".
  kBase,       // `name`: digits and base, "52_8".
  kTuple,      // `name` is the pair of brackets: "()", "[)", "[]", "(]".
  kSet,        // In braces \{ \}, or \emptyset.
  kList,       // Without brackets: "1, 2 and 3".
  kMatrix,     // Rows, each one a kList; `name` is "|" for a determinant.
  kRelation,   // Two or more sides; `name` has a character for each sign
               // between them, see RelationSign.
  kSetUnion,   // A \cup B ...
  kSetMinus,   // A \setminus B.
  kIntersect,  // A \cap B.
  kRatio,      // a : b : c
};

// The characters of a relation's `name`.
enum RelationSign : char {
  kEqualSign = '=',
  kNotEqualSign = '#',
  kLessSign = '<',
  kGreaterSign = '>',
  kLessEqualSign = 'l',
  kGreaterEqualSign = 'g',
  kAboutSign = '~',
  kElementSign = 'e',
  kCongruentSign = 'c',
};

struct Node;
using Expression = std::shared_ptr<const Node>;

struct Node {
  Kind kind = Kind::kNumber;
  std::string name = {};
  std::vector<Expression> args = {};
  mpq_class number = 0;
  bool decimal = false;  // The number was written with a decimal point.
  int depth = 1;         // Levels of the tree, this one included.
  int size = 1;          // Nodes of the tree, this one included.
};

// A node, or null if an argument is null or the tree would be too large.
Expression Make(Kind kind, std::vector<Expression> args, std::string name = {});
Expression MakeNumber(mpq_class value, bool decimal = false);
Expression MakeName(Kind kind, std::string name);

// Whether some node of the tree, its root included, fulfils the condition.
bool AnyNode(const Expression& root,
             const std::function<bool(const Node&)>& fulfils);
// Whether a number in it was written with a decimal point.
bool HasDecimal(const Expression& root);
// Whether it depends on a symbol.
bool HasSymbol(const Expression& root);
// Whether \pm or \mp occurs in it.
bool HasPlusMinus(const Expression& root);
// The same with each \pm taken as its first (+) or its second sign.
Expression ChooseSign(const Expression& root, bool second);

// The exact value of an expression of rational numbers.  Nothing if it has
// symbols, roots that are not rational, units or a division by 0, if it has
// more than kMaxBits bits, or if the budget is spent.
std::optional<mpq_class> RationalValue(const Expression& root, Budget* budget);

// Whether the rational number has a finite decimal expansion.
bool IsFiniteDecimal(const mpq_class& value);

}  // namespace aha::rewards::math
