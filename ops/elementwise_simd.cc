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

float RmsNorm(const float* x, const float* gamma, void* y, int64_t n, float eps,
              DType dtype) {
  F32x16 squares = F32x16::Set(0);
  ForLanes(n, [&](int64_t i, int64_t lanes) {
    const F32x16 v = LoadN(x + i, lanes);
    squares = Fma(v, v, squares);
  });
  const F32x16 mean = F32x16::Set(Sum(squares) / static_cast<float>(n) + eps);
  float s[kLanes];
  Store(s, F32x16::Set(1.f) / Sqrt(mean));
  const F32x16 inv = F32x16::Set(s[0]);
  WithType(dtype, [&]<class T>() {
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      StoreN(static_cast<T*>(y) + i,
             LoadN(x + i, lanes) * inv * LoadN(gamma + i, lanes), lanes);
    });
  });
  return s[0];
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

void SwiGlu(const float* gate_up, void* y, int64_t n, DType dtype) {
  WithType(dtype, [&]<class T>() {
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      const F32x16 g = LoadN(gate_up + i, lanes);
      const F32x16 u = LoadN(gate_up + n + i, lanes);
      StoreN(static_cast<T*>(y) + i, g * Sigmoid(g) * u, lanes);
    });
  });
}

void SwiGluGrad(const float* gate_up, const float* dy, void* dgate_up,
                int64_t n, DType dtype) {
  const F32x16 one = F32x16::Set(1.f);
  WithType(dtype, [&]<class T>() {
    T* dgate = static_cast<T*>(dgate_up);
    ForLanes(n, [&](int64_t i, int64_t lanes) {
      const F32x16 g = LoadN(gate_up + i, lanes);
      const F32x16 u = LoadN(gate_up + n + i, lanes);
      const F32x16 d = LoadN(dy + i, lanes);
      const F32x16 s = Sigmoid(g);
      // silu' = s (1 + g (1 - s))
      const F32x16 slope = s * Fma(g, one - s, one);
      StoreN(dgate + i, d * u * slope, lanes);
      StoreN(dgate + n + i, d * g * s, lanes);
    });
  });
}

}  // namespace

void AddElementwise(SimdTable& t) {
  t.round = Round;
  t.widen = WidenRow;
  t.add = Add;
  t.rms_norm = RmsNorm;
  t.rms_norm_grad = RmsNormGrad;
  t.rope = Rope;
  t.swiglu = SwiGlu;
  t.swiglu_grad = SwiGluGrad;
}

}  // namespace aha::ops::AHA_ISA
