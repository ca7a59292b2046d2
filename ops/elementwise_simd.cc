// The row kernels of rms_norm, swiglu, rope and the conversions. A row's sums
// have one fixed order, and no row depends on another.
#include "ops/simd.h"
#include "ops/simd_table.h"

namespace aha::ops::AHA_ISA {
namespace {

// Calls body(offset, lanes) over [0, n) in steps of kLanes; the last step may
// have fewer lanes.
template <class F>
AHA_INLINE void ForLanes(int64_t n, F&& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

void Round(const float* in, Bf16* out, int64_t n) {
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    StoreN(out + i, LoadN(in + i, lanes), lanes);
  });
}

void Scale(float factor, float* y, int64_t n) {
  const F32x16 f = F32x16::Set(factor);
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    StoreN(y + i, LoadN(y + i, lanes) * f, lanes);
  });
}

void AddScaled(float factor, const float* x, float* y, int64_t n) {
  const F32x16 f = F32x16::Set(factor);
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    StoreN(y + i, Fma(f, LoadN(x + i, lanes), LoadN(y + i, lanes)), lanes);
  });
}

float Dot(const float* x, const void* y, int64_t n, DType dtype) {
  F32x16 sum = F32x16::Set(0);
  WithType(dtype, [&]<class T>() {
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      sum = Fma(LoadN(x + i, lanes), LoadN(static_cast<const T*>(y) + i, lanes),
                sum);
    });
  });
  return Sum(sum);
}

void WidenRow(const Bf16* in, float* out, int64_t n) {
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    StoreN(out + i, LoadN(in + i, lanes), lanes);
  });
}

void Add(const float* x, float* y, int64_t n) {
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    StoreN(y + i, LoadN(y + i, lanes) + LoadN(x + i, lanes), lanes);
  });
}

// Returns the factor of a row's norm in every lane.
AHA_INLINE F32x16 InverseRms(const float* x, int64_t n, float eps) {
  F32x16 squares = F32x16::Set(0);
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    const F32x16 v = LoadN(x + i, lanes);
    squares = Fma(v, v, squares);
  });
  const F32x16 mean = F32x16::Set(Sum(squares) / static_cast<float>(n) + eps);
  float s[kLanes];
  Store(s, F32x16::Set(1.f) / Sqrt(mean));
  return F32x16::Set(s[0]);
}

float FirstLane(F32x16 x) {
  float lanes[kLanes];
  Store(lanes, x);
  return lanes[0];
}

float RmsNorm(const float* x, const float* gamma, void* y, int64_t n, float eps,
              DType dtype) {
  const F32x16 inv = InverseRms(x, n, eps);
  WithType(dtype, [&]<class T>() {
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      StoreN(static_cast<T*>(y) + i,
             LoadN(x + i, lanes) * inv * LoadN(gamma + i, lanes), lanes);
    });
  });
  return FirstLane(inv);
}

float AddRmsNorm(const float* x, const float* gamma, float* y, int64_t n,
                 float eps) {
  const F32x16 inv = InverseRms(x, n, eps);
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    const F32x16 normed = LoadN(x + i, lanes) * inv;
    StoreN(y + i, Fma(normed, LoadN(gamma + i, lanes), LoadN(y + i, lanes)),
           lanes);
  });
  return FirstLane(inv);
}

void RmsNormGrad(const float* x, const float* gamma, float inv_rms,
                 const float* dy, float* dx, float* dgamma, int64_t n) {
  const F32x16 inv = F32x16::Set(inv_rms);
  F32x16 dots = F32x16::Set(0);
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    const F32x16 normed = LoadN(x + i, lanes) * inv;
    const F32x16 d = LoadN(dy + i, lanes);
    dots = Fma(d * LoadN(gamma + i, lanes), normed, dots);
    StoreN(dgamma + i, Fma(d, normed, LoadN(dgamma + i, lanes)), lanes);
  });
  // With norm = x * inv and d = dy * gamma: dx += inv * (d - norm * mean(d *
  // norm)).
  const F32x16 mean = F32x16::Set(Sum(dots) / static_cast<float>(n));
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    const F32x16 normed = LoadN(x + i, lanes) * inv;
    const F32x16 d = LoadN(dy + i, lanes) * LoadN(gamma + i, lanes);
    const F32x16 out = Fma(Fnma(normed, mean, d), inv, LoadN(dx + i, lanes));
    StoreN(dx + i, out, lanes);
  });
}

void Rope(float* x, const float* cos, const float* sin, int64_t heads,
          int64_t half, float sign) {
  const F32x16 turn = F32x16::Set(sign);
  for (int64_t h = 0; h < heads; ++h) {
    // Each pair (low[i], high[i]) is turned by its angle.
    float* low = x + h * 2 * half;
    float* high = low + half;
    ForLanes(half, [&](int64_t i, int64_t lanes) {
      const F32x16 c = LoadN(cos + i, lanes);
      const F32x16 s = LoadN(sin + i, lanes) * turn;
      const F32x16 a = LoadN(low + i, lanes);
      const F32x16 b = LoadN(high + i, lanes);
      StoreN(low + i, Fnma(b, s, a * c), lanes);
      StoreN(high + i, Fma(a, s, b * c), lanes);
    });
  }
}

// An activation x g(x) by its factor g and by its slope.
struct GateOf {
  F32x16 factor, slope;
};

// x sigmoid(x)
struct Silu {
  AHA_INLINE static F32x16 Factor(F32x16 x) { return Sigmoid(x); }
  AHA_INLINE static GateOf Both(F32x16 x) {
    const F32x16 one = F32x16::Set(1.f);
    const F32x16 s = Sigmoid(x);
    return {s, s * Fma(x, one - s, one)};
  }
};

// x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3), since 1 + tanh(z) is
// 2 sigmoid(2 z).
struct GeluTanh {
  static constexpr float kTwice = 1.5957691216057308f;  // 2 sqrt(2 / pi)
  static constexpr float kCubic = 0.044715f;
  // The factor is 0 or 1 long before these, and no power overflows within.
  AHA_INLINE static F32x16 Bounded(F32x16 x) {
    return Max(F32x16::Set(-100.f), Min(F32x16::Set(100.f), x));
  }
  AHA_INLINE static F32x16 Factor(F32x16 x) {
    x = Bounded(x);
    const F32x16 cubic = F32x16::Set(kCubic) * x * x;
    return Sigmoid(Fma(cubic, x, x) * F32x16::Set(kTwice));
  }
  AHA_INLINE static GateOf Both(F32x16 x) {
    const F32x16 one = F32x16::Set(1.f);
    const F32x16 s = Factor(x);
    x = Bounded(x);
    const F32x16 inner =
        Fma(F32x16::Set(3 * kCubic) * x, x, one) * F32x16::Set(kTwice);
    return {s, s * Fma(x * inner, one - s, one)};
  }
};

template <class Activation>
void GatedUnit(const float* gate_up, void* y, int64_t n, DType dtype) {
  WithType(dtype, [&]<class T>() {
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      const F32x16 g = LoadN(gate_up + i, lanes);
      const F32x16 u = LoadN(gate_up + n + i, lanes);
      StoreN(static_cast<T*>(y) + i, g * Activation::Factor(g) * u, lanes);
    });
  });
}

template <class Activation>
void GatedUnitGrad(const float* gate_up, const float* dy, void* dgate_up,
                   int64_t n, DType dtype) {
  WithType(dtype, [&]<class T>() {
    T* dgate = static_cast<T*>(dgate_up);
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      const F32x16 g = LoadN(gate_up + i, lanes);
      const F32x16 u = LoadN(gate_up + n + i, lanes);
      const F32x16 d = LoadN(dy + i, lanes);
      const auto [factor, slope] = Activation::Both(g);
      StoreN(dgate + i, d * u * slope, lanes);
      StoreN(dgate + n + i, d * g * factor, lanes);
    });
  });
}

}  // namespace

void AddElementwise(SimdTable& t) {
  t.round = Round;
  t.widen = WidenRow;
  t.add = Add;
  t.scale = Scale;
  t.add_scaled = AddScaled;
  t.dot = Dot;
  t.rms_norm = RmsNorm;
  t.add_rms_norm = AddRmsNorm;
  t.rms_norm_grad = RmsNormGrad;
  t.rope = Rope;
  t.swiglu = GatedUnit<Silu>;
  t.swiglu_grad = GatedUnitGrad<Silu>;
  t.geglu = GatedUnit<GeluTanh>;
  t.geglu_grad = GatedUnitGrad<GeluTanh>;
}

}  // namespace aha::ops::AHA_ISA
