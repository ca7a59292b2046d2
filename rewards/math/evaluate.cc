#include "rewards/math/evaluate.h"

#include <acb.h>
#include <arb.h>
#include <flint/fmpz.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rewards/math/flint_thread.h"

namespace aha::rewards::math {
namespace {

constexpr slong kBits = 256;
// Two balls that overlap are equal if both are known to this many bits.
constexpr slong kEnoughBits = 100;
constexpr int kPoints = 6;
// At fewer points that have a value, nothing is known.
constexpr int kMinPoints = 3;
// Arguments of exp, sin and their like are below 2^this.
constexpr slong kMaxExponent = 40;

class Ball {
 public:
  Ball() { acb_init(value_); }
  ~Ball() { acb_clear(value_); }
  Ball(const Ball&) = delete;
  Ball& operator=(const Ball&) = delete;
  acb_struct* get() { return value_; }
  const acb_struct* get() const { return value_; }

 private:
  acb_t value_;
};

// A pseudo-random dyadic number, of magnitude 0.5 to 2.5, for a symbol.  The
// first two points are positive in all coordinates.
void SetSymbol(const std::string& name, int point, Ball* out) {
  uint64_t hash = 0xcbf29ce484222325u + static_cast<uint64_t>(point);
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  // The finalizer of SplitMix64.
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  hash ^= hash >> 31;
  const slong fraction = static_cast<slong>(hash >> 34);  // 30 bits.
  slong value = (slong{1} << 29) + 2 * fraction;
  if (point >= 2 && (hash & 1) != 0) value = -value;
  acb_set_si(out->get(), value);
  acb_mul_2exp_si(out->get(), out->get(), -30);
}

bool IsNegativeReal(const Ball& x) {
  return acb_is_real(x.get()) != 0 &&
         arb_is_negative(acb_realref(x.get())) != 0;
}

bool IsModerate(const Ball& x) {
  mag_t bound;
  mag_init(bound);
  acb_get_mag(bound, x.get());
  const bool moderate = mag_cmp_2exp_si(bound, kMaxExponent) < 0;
  mag_clear(bound);
  return moderate;
}

using BallFunction = void (*)(acb_t, const acb_t, slong);

void ArcCotangent(acb_t out, const acb_t x, slong bits) {
  acb_inv(out, x, bits);
  acb_atan(out, out, bits);
}
void CommonLogarithm(acb_t out, const acb_t x, slong bits) {
  acb_t ten;
  acb_init(ten);
  acb_set_si(ten, 10);
  acb_log(ten, ten, bits);
  acb_log(out, x, bits);
  acb_div(out, out, ten, bits);
  acb_clear(ten);
}
void Factorial(acb_t out, const acb_t x, slong bits) {
  acb_add_si(out, x, 1, bits);
  acb_gamma(out, out, bits);
}

struct NamedFunction {
  absl::string_view name;
  BallFunction function;
  int64_t steps;
};
constexpr NamedFunction kBallFunctions[] = {
    {"sqrt", acb_sqrt, 2},       {"sin", acb_sin, 20},
    {"cos", acb_cos, 20},        {"tan", acb_tan, 30},
    {"cot", acb_cot, 30},        {"sec", acb_sec, 30},
    {"csc", acb_csc, 30},        {"asin", acb_asin, 40},
    {"acos", acb_acos, 40},      {"atan", acb_atan, 30},
    {"acot", ArcCotangent, 30},  {"sinh", acb_sinh, 20},
    {"cosh", acb_cosh, 20},      {"tanh", acb_tanh, 30},
    {"coth", acb_coth, 30},      {"exp", acb_exp, 15},
    {"ln", acb_log, 20},         {"log", acb_log, 20},
    {"lg", CommonLogarithm, 40}, {"factorial", Factorial, 400},
};

// Computes an expression at one point.  Each function returns false if it has
// no value there.
class BallEvaluator {
 public:
  BallEvaluator(int point, Budget* budget) : point_(point), budget_(*budget) {}

  bool Evaluate(const Node& node, Ball* out) {
    return budget_.Spend(1) && EvaluateKind(node, out) &&
           acb_is_finite(out->get()) != 0;
  }

 private:
  bool EvaluateKind(const Node& node, Ball* out) {
    switch (node.kind) {
      case Kind::kNumber:
        SetNumber(node.number, out);
        return true;
      case Kind::kSymbol:
      case Kind::kText:
        SetSymbol(node.name, point_, out);
        return true;
      case Kind::kConstant:
        return Constant(node.name, out);
      case Kind::kAdd:
        return Fold(node, out, acb_add);
      case Kind::kMultiply:
        return Fold(node, out, acb_mul);
      case Kind::kDivide:
        return Divide(node, out);
      case Kind::kNegate:
        if (!Evaluate(*node.args[0], out)) return false;
        acb_neg(out->get(), out->get());
        return true;
      case Kind::kPower:
        return Power(node, out);
      case Kind::kFunction:
        return Function(node, out);
      case Kind::kPercent:
        if (!Evaluate(*node.args[0], out)) return false;
        acb_div_si(out->get(), out->get(), 100, kBits);
        return true;
      case Kind::kDegree:
        return Degrees(node, out);
      default:
        return false;
    }
  }

  static void SetNumber(const mpq_class& number, Ball* out) {
    fmpz_t top;
    fmpz_t bottom;
    fmpz_init(top);
    fmpz_init(bottom);
    fmpz_set_mpz(top, number.get_num_mpz_t());
    fmpz_set_mpz(bottom, number.get_den_mpz_t());
    acb_zero(out->get());
    arb_fmpz_div_fmpz(acb_realref(out->get()), top, bottom, kBits);
    fmpz_clear(top);
    fmpz_clear(bottom);
  }

  static bool Constant(const std::string& name, Ball* out) {
    acb_zero(out->get());
    if (name == "\\pi") {
      acb_const_pi(out->get(), kBits);
    } else if (name == "e") {
      arb_const_e(acb_realref(out->get()), kBits);
    } else if (name == "i") {
      acb_onei(out->get());
    } else {
      return false;
    }
    return true;
  }

  bool Fold(const Node& node, Ball* out,
            void (*operation)(acb_t, const acb_t, const acb_t, slong)) {
    if (!Evaluate(*node.args[0], out)) return false;
    for (size_t i = 1; i < node.args.size(); ++i) {
      Ball next;
      if (!Evaluate(*node.args[i], &next)) return false;
      operation(out->get(), out->get(), next.get(), kBits);
    }
    return true;
  }

  bool Divide(const Node& node, Ball* out) {
    Ball by;
    if (!Evaluate(*node.args[0], out) || !Evaluate(*node.args[1], &by) ||
        acb_contains_zero(by.get()) != 0) {
      return false;
    }
    acb_div(out->get(), out->get(), by.get(), kBits);
    return true;
  }

  bool Degrees(const Node& node, Ball* out) {
    Ball pi;
    if (!Evaluate(*node.args[0], out)) return false;
    acb_const_pi(pi.get(), kBits);
    acb_mul(out->get(), out->get(), pi.get(), kBits);
    acb_div_si(out->get(), out->get(), 180, kBits);
    return true;
  }

  bool Power(const Node& node, Ball* out) {
    Ball base;
    if (!Evaluate(*node.args[0], &base)) return false;
    const std::optional<mpq_class> rational =
        RationalValue(node.args[1], &budget_);
    if (rational && abs(rational->get_num()) <= 100'000 &&
        rational->get_den() <= 64) {
      return RationalPower(base, rational->get_num().get_si(),
                           rational->get_den().get_ui(), out);
    }
    Ball exponent;
    if (!Evaluate(*node.args[1], &exponent)) return false;
    if (acb_is_zero(base.get()) != 0) {
      acb_zero(out->get());
      return arb_is_positive(acb_realref(exponent.get())) != 0;
    }
    if (acb_contains_zero(base.get()) != 0 || !budget_.Spend(40)) return false;
    acb_log(base.get(), base.get(), kBits);
    acb_mul(base.get(), base.get(), exponent.get(), kBits);
    if (!IsModerate(base)) return false;
    acb_exp(out->get(), base.get(), kBits);
    return true;
  }

  // base^(top/bottom)
  bool RationalPower(const Ball& base, slong top, ulong bottom, Ball* out) {
    if (!budget_.Spend(4)) return false;
    if (top <= 0 && acb_contains_zero(base.get()) != 0) return false;
    if (bottom == 1) {
      acb_pow_si(out->get(), base.get(), top, kBits);
      return true;
    }
    if (!Root(base, bottom, out)) return false;
    acb_pow_si(out->get(), out->get(), top, kBits);
    return true;
  }

  bool Root(const Ball& x, ulong degree, Ball* out) {
    if (!budget_.Spend(10)) return false;
    if (degree % 2 == 1 && IsNegativeReal(x)) {
      acb_neg(out->get(), x.get());
      acb_root_ui(out->get(), out->get(), degree, kBits);
      acb_neg(out->get(), out->get());
    } else {
      acb_root_ui(out->get(), x.get(), degree, kBits);
    }
    return true;
  }

  bool Function(const Node& node, Ball* out) {
    // Binomials have values only where they are exact.
    if (node.name == "binom") {
      const auto value = RationalValue(std::make_shared<Node>(node), &budget_);
      if (value) SetNumber(*value, out);
      return value.has_value();
    }
    Ball x;
    if (!Evaluate(*node.args[0], &x) || !IsModerate(x)) return false;
    if (node.name == "abs") {
      acb_zero(out->get());
      acb_abs(acb_realref(out->get()), x.get(), kBits);
      return true;
    }
    if (node.name == "floor" || node.name == "ceil") {
      const auto rounded = node.name == "floor" ? arb_floor : arb_ceil;
      rounded(acb_realref(out->get()), acb_realref(x.get()), kBits);
      return acb_is_real(x.get()) != 0 &&
             arb_is_exact(acb_realref(out->get())) != 0;
    }
    if (node.name == "root") {
      const auto degree = RationalValue(node.args[1], &budget_);
      if (!degree || degree->get_den() != 1 || *degree < 1 || *degree > 64) {
        return false;
      }
      return Root(x, degree->get_num().get_ui(), out);
    }
    if (node.name == "log" && node.args.size() == 2) {
      Ball base;
      if (!Evaluate(*node.args[1], &base) || !budget_.Spend(40)) return false;
      acb_log(base.get(), base.get(), kBits);
      acb_log(out->get(), x.get(), kBits);
      if (acb_contains_zero(base.get()) != 0) return false;
      acb_div(out->get(), out->get(), base.get(), kBits);
      return true;
    }
    for (const NamedFunction& known : kBallFunctions) {
      if (known.name != node.name) continue;
      if (!budget_.Spend(known.steps) || node.args.size() != 1) return false;
      known.function(out->get(), x.get(), kBits);
      return true;
    }
    return false;
  }

  const int point_;
  Budget& budget_;
};

// Compares two balls.
Finding CompareBalls(const Ball& a, const Ball& b) {
  if (acb_overlaps(a.get(), b.get()) == 0) return Finding::kDifferent;
  for (const Ball* ball : {&a, &b}) {
    mag_t error;
    mag_init(error);
    mag_hypot(error, arb_radref(acb_realref(ball->get())),
              arb_radref(acb_imagref(ball->get())));
    mag_t size;
    mag_init(size);
    acb_get_mag(size, ball->get());
    mag_mul_2exp_si(size, size, -kEnoughBits);
    // A value of 0 has no leading digit.
    const bool known =
        mag_cmp(error, size) <= 0 || mag_cmp_2exp_si(error, -kEnoughBits) <= 0;
    mag_clear(error);
    mag_clear(size);
    if (!known) return Finding::kUnknown;
  }
  return Finding::kSame;
}

}  // namespace

Finding CompareValues(const Expression& a, const Expression& b,
                      Budget* budget) {
  CleanUpFlintWithThread();
  const int points = HasSymbol(a) || HasSymbol(b) ? kPoints : 1;
  int same = 0;
  for (int point = 0; point < points; ++point) {
    BallEvaluator evaluator(point, budget);
    Ball left;
    Ball right;
    const bool has_left = evaluator.Evaluate(*a, &left);
    const bool has_right = evaluator.Evaluate(*b, &right);
    if (budget->spent()) return Finding::kUnknown;
    if (!has_left || !has_right) continue;
    const Finding finding = CompareBalls(left, right);
    if (finding == Finding::kDifferent) return finding;
    same += finding == Finding::kSame;
  }
  return same >= std::min(points, kMinPoints) ? Finding::kSame
                                              : Finding::kUnknown;
}

Finding CompareWithin(const Expression& a, const Expression& b,
                      const mpq_class& relative, const mpq_class& absolute,
                      Budget* budget) {
  CleanUpFlintWithThread();
  BallEvaluator evaluator(0, budget);
  Ball left;
  Ball right;
  if (!evaluator.Evaluate(*a, &left) || !evaluator.Evaluate(*b, &right)) {
    return Finding::kUnknown;
  }
  Ball difference;
  acb_sub(difference.get(), left.get(), right.get(), kBits);
  arb_t distance;
  arb_t size;
  arb_t other;
  arb_init(distance);
  arb_init(size);
  arb_init(other);
  acb_abs(distance, difference.get(), kBits);
  acb_abs(size, left.get(), kBits);
  acb_abs(other, right.get(), kBits);
  arb_max(size, size, other, kBits);
  const Expression factor = MakeNumber(relative);
  const Expression least = MakeNumber(absolute);
  Ball number;
  evaluator.Evaluate(*factor, &number);
  arb_mul(size, size, acb_realref(number.get()), kBits);
  evaluator.Evaluate(*least, &number);
  arb_max(size, size, acb_realref(number.get()), kBits);
  const bool within = arb_le(distance, size) != 0;
  arb_clear(distance);
  arb_clear(size);
  arb_clear(other);
  return within ? Finding::kSame : Finding::kDifferent;
}

Finding CompareValuesUpToFactor(const Expression& a, const Expression& b,
                                bool positive, Budget* budget) {
  CleanUpFlintWithThread();
  Ball factor;
  int same = 0;
  for (int point = 0; point < kPoints; ++point) {
    BallEvaluator evaluator(point, budget);
    Ball left;
    Ball right;
    if (!evaluator.Evaluate(*a, &left) || !evaluator.Evaluate(*b, &right) ||
        acb_contains_zero(left.get()) != 0 ||
        acb_contains_zero(right.get()) != 0) {
      continue;
    }
    acb_div(left.get(), left.get(), right.get(), kBits);
    if (same++ == 0) {
      acb_swap(factor.get(), left.get());
      if (positive && arb_is_positive(acb_realref(factor.get())) == 0) {
        return Finding::kDifferent;
      }
      continue;
    }
    const Finding finding = CompareBalls(factor, left);
    if (finding != Finding::kSame) return finding;
  }
  return same >= kMinPoints ? Finding::kSame : Finding::kUnknown;
}

}  // namespace aha::rewards::math
