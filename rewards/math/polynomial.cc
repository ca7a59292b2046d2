#include "rewards/math/polynomial.h"

#include <flint/flint.h>
#include <flint/fmpq.h>
#include <flint/fmpq_mpoly.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "rewards/math/flint_thread.h"

namespace aha::rewards::math {
namespace {

constexpr size_t kMaxVariables = 12;
constexpr int64_t kMaxTerms = 2000;
constexpr int64_t kMaxDegree = 1000;

bool IsVariable(const Node& node) {
  return node.kind == Kind::kSymbol || node.kind == Kind::kText ||
         (node.kind == Kind::kConstant && node.name != "\\infty");
}

void CollectVariables(const Expression& root, std::vector<std::string>* names) {
  AnyNode(root, [names](const Node& node) {
    if (IsVariable(node) && !absl::c_linear_search(*names, node.name)) {
      names->push_back(node.name);
    }
    return names->size() > kMaxVariables;
  });
}

// The variables of two expressions.
class Ring {
 public:
  explicit Ring(std::vector<std::string> names) : names_(std::move(names)) {
    fmpq_mpoly_ctx_init(context_, static_cast<slong>(names_.size()), ORD_LEX);
  }
  ~Ring() { fmpq_mpoly_ctx_clear(context_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  const fmpq_mpoly_ctx_struct* get() const { return context_; }
  slong IndexOf(const std::string& name) const {
    return static_cast<slong>(absl::c_find(names_, name) - names_.begin());
  }

 private:
  const std::vector<std::string> names_;
  fmpq_mpoly_ctx_t context_;
};

class Polynomial {
 public:
  explicit Polynomial(const Ring& ring) : ring_(ring.get()) {
    fmpq_mpoly_init(value_, ring_);
  }
  ~Polynomial() { fmpq_mpoly_clear(value_, ring_); }
  Polynomial(const Polynomial&) = delete;
  Polynomial& operator=(const Polynomial&) = delete;

  fmpq_mpoly_struct* get() { return value_; }
  const fmpq_mpoly_struct* get() const { return value_; }
  bool is_zero() const { return fmpq_mpoly_is_zero(value_, ring_) != 0; }
  int64_t terms() const { return fmpq_mpoly_length(value_, ring_); }
  int64_t degree() const {
    return is_zero() ? 0 : fmpq_mpoly_total_degree_si(value_, ring_);
  }

 private:
  const fmpq_mpoly_ctx_struct* const ring_;
  fmpq_mpoly_t value_;
};

// A quotient of polynomials; the denominator is never 0.
struct Quotient {
  explicit Quotient(const Ring& ring) : top(ring), bottom(ring) {}
  Polynomial top;
  Polynomial bottom;
};

// Computes with quotients.  Each function returns false if the result is not
// one, or too large.
class Calculator {
 public:
  Calculator(const Ring& ring, Budget* budget)
      : ring_(ring), budget_(*budget) {}

  bool Evaluate(const Node& node, Quotient* out) {
    if (!budget_.Spend(2)) return false;
    fmpq_mpoly_one(out->bottom.get(), ring_.get());
    if (IsVariable(node)) {
      fmpq_mpoly_gen(out->top.get(), ring_.IndexOf(node.name), ring_.get());
      return true;
    }
    switch (node.kind) {
      case Kind::kNumber:
        Set(node.number, out);
        return true;
      case Kind::kAdd:
        return Fold(node, out, &Calculator::Add);
      case Kind::kMultiply:
        return Fold(node, out, &Calculator::Multiply);
      case Kind::kDivide:
        return Divide(node, out);
      case Kind::kNegate:
        if (!Evaluate(*node.args[0], out)) return false;
        fmpq_mpoly_neg(out->top.get(), out->top.get(), ring_.get());
        return true;
      case Kind::kPower:
        return Power(node, out);
      default:
        break;
    }
    const std::optional<mpq_class> value =
        node.kind == Kind::kFunction || node.kind == Kind::kPercent
            ? RationalValue(std::make_shared<Node>(node), &budget_)
            : std::nullopt;
    if (value) Set(*value, out);
    return value.has_value();
  }

  // Multiplies polynomials, if that is not too much.
  bool Product(const Polynomial& a, const Polynomial& b, Polynomial* out) {
    const int64_t work = a.terms() * b.terms();
    if (work > kMaxTerms || a.degree() + b.degree() > kMaxDegree ||
        !budget_.Spend(1 + work)) {
      return false;
    }
    fmpq_mpoly_mul(out->get(), a.get(), b.get(), ring_.get());
    return fmpz_bits(fmpq_numref(out->get()->content)) < kMaxBits;
  }

 private:
  void Set(const mpq_class& value, Quotient* out) {
    fmpq_t number;
    fmpq_init(number);
    fmpz_set_mpz(fmpq_numref(number), value.get_num_mpz_t());
    fmpz_set_mpz(fmpq_denref(number), value.get_den_mpz_t());
    fmpq_mpoly_set_fmpq(out->top.get(), number, ring_.get());
    fmpq_clear(number);
  }

  bool Add(const Quotient& b, Quotient* a) {
    Polynomial left(ring_);
    Polynomial right(ring_);
    if (fmpq_mpoly_equal(a->bottom.get(), b.bottom.get(), ring_.get()) != 0) {
      fmpq_mpoly_add(a->top.get(), a->top.get(), b.top.get(), ring_.get());
      return true;
    }
    if (!Product(a->top, b.bottom, &left) ||
        !Product(b.top, a->bottom, &right) ||
        !Product(a->bottom, b.bottom, &a->bottom)) {
      return false;
    }
    fmpq_mpoly_add(a->top.get(), left.get(), right.get(), ring_.get());
    return true;
  }

  bool Multiply(const Quotient& b, Quotient* a) {
    return Product(a->top, b.top, &a->top) &&
           Product(a->bottom, b.bottom, &a->bottom);
  }

  bool Fold(const Node& node, Quotient* out,
            bool (Calculator::*operation)(const Quotient&, Quotient*)) {
    for (size_t i = 0; i < node.args.size(); ++i) {
      if (i == 0) {
        if (!Evaluate(*node.args[0], out)) return false;
        continue;
      }
      Quotient next(ring_);
      if (!Evaluate(*node.args[i], &next) || !(this->*operation)(next, out)) {
        return false;
      }
    }
    return true;
  }

  bool Divide(const Node& node, Quotient* out) {
    Quotient by(ring_);
    if (!Evaluate(*node.args[0], out) || !Evaluate(*node.args[1], &by) ||
        by.top.is_zero()) {
      return false;
    }
    fmpq_mpoly_swap(by.top.get(), by.bottom.get(), ring_.get());
    return Multiply(by, out);
  }

  bool Power(const Node& node, Quotient* out) {
    const std::optional<mpq_class> exponent =
        RationalValue(node.args[1], &budget_);
    Quotient base(ring_);
    if (!exponent || exponent->get_den() != 1 || abs(*exponent) > 64 ||
        !Evaluate(*node.args[0], &base)) {
      // A root of a number may be rational, and so is a large power.
      const auto value = RationalValue(std::make_shared<Node>(node), &budget_);
      if (value) Set(*value, out);
      return value.has_value();
    }
    int64_t n = exponent->get_num().get_si();
    if (n <= 0 && base.top.is_zero()) return false;
    if (n < 0) {
      fmpq_mpoly_swap(base.top.get(), base.bottom.get(), ring_.get());
      n = -n;
    }
    fmpq_mpoly_one(out->top.get(), ring_.get());
    for (int64_t i = 0; i < n; ++i) {
      if (!Multiply(base, out)) return false;
    }
    return true;
  }

  const Ring& ring_;
  Budget& budget_;
};

std::optional<std::vector<std::string>> VariablesOf(const Expression& a,
                                                    const Expression& b) {
  std::vector<std::string> names;
  CollectVariables(a, &names);
  CollectVariables(b, &names);
  if (names.size() > kMaxVariables) return std::nullopt;
  return names;
}

bool HasConstant(const std::vector<std::string>& names) {
  return absl::c_any_of(names, [](const std::string& name) {
    return name == "e" || name == "i" || name == "\\pi";
  });
}

// Whether a == c b for a number c, positive if that matters.
bool Proportional(const Polynomial& a, const Polynomial& b, bool positive,
                  const Ring& ring) {
  if (a.is_zero() || b.is_zero() || a.terms() != b.terms()) return false;
  fmpq_t factor;
  fmpq_t other;
  fmpq_init(factor);
  fmpq_init(other);
  fmpq_mpoly_get_term_coeff_fmpq(factor, a.get(), 0, ring.get());
  fmpq_mpoly_get_term_coeff_fmpq(other, b.get(), 0, ring.get());
  fmpq_div(factor, factor, other);
  Polynomial scaled(ring);
  fmpq_mpoly_scalar_mul_fmpq(scaled.get(), b.get(), factor, ring.get());
  const bool same = (!positive || fmpq_sgn(factor) > 0) &&
                    fmpq_mpoly_equal(scaled.get(), a.get(), ring.get()) != 0;
  fmpq_clear(factor);
  fmpq_clear(other);
  return same;
}

}  // namespace

Finding CompareRationalFunctions(const Expression& a, const Expression& b,
                                 Budget* budget) {
  const auto names = VariablesOf(a, b);
  if (!names) return Finding::kUnknown;
  CleanUpFlintWithThread();
  const Ring ring(*names);
  Calculator calculator(ring, budget);
  Quotient left(ring);
  Quotient right(ring);
  Polynomial one(ring);
  Polynomial other(ring);
  if (!calculator.Evaluate(*a, &left) || !calculator.Evaluate(*b, &right) ||
      !calculator.Product(left.top, right.bottom, &one) ||
      !calculator.Product(right.top, left.bottom, &other)) {
    return Finding::kUnknown;
  }
  if (fmpq_mpoly_equal(one.get(), other.get(), ring.get()) != 0) {
    return Finding::kSame;
  }
  return HasConstant(*names) ? Finding::kUnknown : Finding::kDifferent;
}

Finding CompareUpToFactor(const Expression& a, const Expression& b,
                          bool positive, Budget* budget) {
  const auto names = VariablesOf(a, b);
  if (!names) return Finding::kUnknown;
  CleanUpFlintWithThread();
  const Ring ring(*names);
  Calculator calculator(ring, budget);
  Quotient left(ring);
  Quotient right(ring);
  if (!calculator.Evaluate(*a, &left) || !calculator.Evaluate(*b, &right)) {
    return Finding::kUnknown;
  }
  if (positive) {
    // The sign of a denominator is known only if it is a number.
    if (left.bottom.degree() > 0 || right.bottom.degree() > 0) {
      return Finding::kUnknown;
    }
    if (!calculator.Product(left.top, left.bottom, &left.top) ||
        !calculator.Product(right.top, right.bottom, &right.top)) {
      return Finding::kUnknown;
    }
  }
  if (Proportional(left.top, right.top, positive, ring)) return Finding::kSame;
  return HasConstant(*names) ? Finding::kUnknown : Finding::kDifferent;
}

}  // namespace aha::rewards::math
