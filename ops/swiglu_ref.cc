#include <cmath>
#include <numbers>

#include "ops/ref.h"
#include "ops/swiglu.h"

namespace aha::ops {
namespace {

// f(x) and its derivative.
struct GateAt {
  double value, slope;
};

GateAt RefGate(Gate gate, double x) {
  if (gate == Gate::kSilu) {
    const double s = 1 / (1 + std::exp(-x));
    return {x * s, s * (1 + x * (1 - s))};
  }
  const double c = std::sqrt(2 / std::numbers::pi);
  const double t = std::tanh(c * (x + 0.044715 * x * x * x));
  const double inner = c * (1 + 3 * 0.044715 * x * x);
  return {0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner};
}

}  // namespace

void SwiGlu(const ReferenceContext&, const SwiGluArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* gate = a.gate_up + r * 2 * a.cols;
    for (int64_t c = 0; c < a.cols; ++c) {
      const double u = gate[a.cols + c];
      RefStore(a.y, r * a.cols + c, RefGate(a.gate, gate[c]).value * u,
               a.dtype);
    }
  }
}

void SwiGluGrad(const ReferenceContext&, const SwiGluGradArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const int64_t at = r * 2 * a.cols;
    for (int64_t c = 0; c < a.cols; ++c) {
      const double u = a.gate_up[at + a.cols + c];
      const double d = a.dy[r * a.cols + c];
      const GateAt gate = RefGate(a.gate, a.gate_up[at + c]);
      RefStore(a.dgate_up, at + c, d * u * gate.slope, a.dtype);
      RefStore(a.dgate_up, at + a.cols + c, d * gate.value, a.dtype);
    }
  }
}

}  // namespace aha::ops
