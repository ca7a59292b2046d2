#include "rewards/math/expression.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"

namespace aha::rewards::math {
namespace {

size_t Bits(const mpq_class& value) {
  return mpz_sizeinbase(value.get_num_mpz_t(), 2) +
         mpz_sizeinbase(value.get_den_mpz_t(), 2);
}

// An integer of at most `max`, if the value is one.
std::optional<unsigned long> SmallInteger(const mpq_class& value,
                                          unsigned long max) {
  if (value.get_den() != 1 || value < 0 || value > mpq_class(max)) {
    return std::nullopt;
  }
  return value.get_num().get_ui();
}

using Value = std::optional<mpq_class>;

// Computes one tree.
class RationalEvaluator {
 public:
  explicit RationalEvaluator(Budget* budget) : budget_(*budget) {}

  Value Evaluate(const Node& node) {
    if (!budget_.Spend(1)) return std::nullopt;
    switch (node.kind) {
      case Kind::kNumber:
        return node.number;
      case Kind::kAdd:
        return Fold(node, 0,
                    [](mpq_class& sum, const mpq_class& x) { sum += x; });
      case Kind::kMultiply:
        return Fold(node, 1, [](mpq_class& product, const mpq_class& x) {
          product *= x;
        });
      case Kind::kDivide:
        return Divide(Evaluate(*node.args[0]), Evaluate(*node.args[1]));
      case Kind::kNegate:
        return Divide(Evaluate(*node.args[0]), mpq_class(-1));
      case Kind::kPercent:
        return Divide(Evaluate(*node.args[0]), mpq_class(100));
      case Kind::kPower:
        return Power(Evaluate(*node.args[0]), Evaluate(*node.args[1]));
      case Kind::kFunction:
        return Function(node);
      default:
        return std::nullopt;
    }
  }

 private:
  Value Bounded(mpq_class value) {
    const size_t bits = Bits(value);
    if (bits > kMaxBits ||
        !budget_.Spend(1 + static_cast<int64_t>(bits / 256))) {
      return std::nullopt;
    }
    return value;
  }

  template <class Operation>
  Value Fold(const Node& node, int start, const Operation& operation) {
    mpq_class result = start;
    for (const Expression& arg : node.args) {
      const Value value = Evaluate(*arg);
      if (!value) return std::nullopt;
      operation(result, *value);
      if (!Bounded(result)) return std::nullopt;
    }
    return result;
  }

  Value Divide(const Value& top, const Value& bottom) {
    if (!top || !bottom || *bottom == 0) return std::nullopt;
    return Bounded(*top / *bottom);
  }

  Value Power(Value base, Value exponent) {
    if (!base || !exponent || (*base == 0 && *exponent == 0)) {
      return std::nullopt;  // 0^0 is not defined.
    }
    if (exponent->get_den() != 1) {
      // 4^{3/2} is the cube of a root.
      if (exponent->get_den() > 64) return std::nullopt;
      base = Root(*base, exponent->get_den().get_ui());
      if (!base) return std::nullopt;
      exponent = mpq_class(exponent->get_num());
    }
    if (*exponent < 0) {
      if (*base == 0) return std::nullopt;
      base = 1 / *base;
      exponent = -*exponent;
    }
    const auto n = SmallInteger(*exponent, 1'000'000'000);
    if (!n) return std::nullopt;
    if (*base != 0 && *base != 1 && *base != -1 &&
        (Bits(*base) - 2) * *n > kMaxBits) {
      return std::nullopt;
    }
    mpq_class result;
    mpz_pow_ui(result.get_num_mpz_t(), base->get_num_mpz_t(), *n);
    mpz_pow_ui(result.get_den_mpz_t(), base->get_den_mpz_t(), *n);
    return Bounded(result);
  }

  Value Root(const mpq_class& value, unsigned long n) {
    if (n == 0 || !budget_.Spend(1 + static_cast<int64_t>(Bits(value) / 64))) {
      return std::nullopt;
    }
    if (value < 0 && n % 2 == 0) return std::nullopt;
    mpq_class root;
    const bool exact =
        mpz_root(root.get_num_mpz_t(), value.get_num_mpz_t(), n) != 0 &&
        mpz_root(root.get_den_mpz_t(), value.get_den_mpz_t(), n) != 0;
    return exact ? Value(root) : std::nullopt;
  }

  Value Function(const Node& node) {
    const Value x = Evaluate(*node.args[0]);
    if (!x) return std::nullopt;
    if (node.name == "sqrt") return Root(*x, 2);
    if (node.name == "abs") return mpq_class(abs(*x));
    if (node.name == "floor") return Rounded(*x, mpz_fdiv_q);
    if (node.name == "ceil") return Rounded(*x, mpz_cdiv_q);
    if (node.name == "factorial") {
      const auto n = SmallInteger(*x, 1000);
      if (!n || !budget_.Spend(20)) return std::nullopt;
      mpz_class value;
      mpz_fac_ui(value.get_mpz_t(), *n);
      return Bounded(value);
    }
    if (node.args.size() != 2) return std::nullopt;
    const Value y = Evaluate(*node.args[1]);
    if (!y) return std::nullopt;
    if (node.name == "root") {
      const auto n = SmallInteger(*y, 64);
      return n ? Root(*x, *n) : std::nullopt;
    }
    if (node.name == "binom") {
      const auto n = SmallInteger(*x, 10'000);
      const auto k = SmallInteger(*y, 10'000);
      if (!n || !k || !budget_.Spend(50)) return std::nullopt;
      mpz_class value;
      mpz_bin_uiui(value.get_mpz_t(), *n, *k);
      return Bounded(value);
    }
    return std::nullopt;
  }

  static Value Rounded(const mpq_class& x,
                       void (*divide)(mpz_t, const mpz_t, const mpz_t)) {
    mpz_class quotient;
    divide(quotient.get_mpz_t(), x.get_num_mpz_t(), x.get_den_mpz_t());
    return mpq_class(quotient);
  }

  Budget& budget_;
};

}  // namespace

Expression Make(Kind kind, std::vector<Expression> args, std::string name) {
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->name = std::move(name);
  for (const Expression& arg : args) {
    if (arg == nullptr) return nullptr;
    node->depth = std::max(node->depth, arg->depth + 1);
    node->size += arg->size;
    if (node->depth > kMaxDepth || node->size > kMaxNodes) return nullptr;
  }
  node->args = std::move(args);
  return node;
}

Expression MakeNumber(mpq_class value, bool decimal) {
  auto node = std::make_shared<Node>();
  node->number = std::move(value);
  node->decimal = decimal;
  return node;
}

Expression MakeName(Kind kind, std::string name) {
  return Make(kind, {}, std::move(name));
}

bool AnyNode(const Expression& root,
             const std::function<bool(const Node&)>& fulfils) {
  return fulfils(*root) || absl::c_any_of(root->args, [&](const auto& arg) {
           return AnyNode(arg, fulfils);
         });
}

bool HasDecimal(const Expression& root) {
  return AnyNode(root, [](const Node& node) { return node.decimal; });
}

bool HasSymbol(const Expression& root) {
  return AnyNode(root, [](const Node& node) {
    return node.kind == Kind::kSymbol || node.kind == Kind::kText;
  });
}

bool HasPlusMinus(const Expression& root) {
  return AnyNode(
      root, [](const Node& node) { return node.kind == Kind::kPlusMinus; });
}

Expression ChooseSign(const Expression& root, bool second) {
  if (!HasPlusMinus(root)) return root;
  std::vector<Expression> args;
  for (const Expression& arg : root->args) {
    args.push_back(ChooseSign(arg, second));
  }
  if (root->kind != Kind::kPlusMinus) {
    return Make(root->kind, std::move(args), root->name);
  }
  const bool minus = (root->name == "-") != second;
  return minus ? Make(Kind::kNegate, std::move(args)) : args[0];
}

std::optional<mpq_class> RationalValue(const Expression& root, Budget* budget) {
  return RationalEvaluator(budget).Evaluate(*root);
}

bool IsFiniteDecimal(const mpq_class& value) {
  mpz_class rest = value.get_den();
  const mpz_class two = 2;
  const mpz_class five = 5;
  mpz_remove(rest.get_mpz_t(), rest.get_mpz_t(), two.get_mpz_t());
  mpz_remove(rest.get_mpz_t(), rest.get_mpz_t(), five.get_mpz_t());
  return rest == 1;
}

}  // namespace aha::rewards::math
