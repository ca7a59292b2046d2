#include "ops/matmul.h"

namespace aha::ops {
namespace {

template <class T>
void MatmulOf(const RefMatmulArgs& a) {
  const T* x = static_cast<const T*>(a.x);
  const T* b = static_cast<const T*>(a.b);
  for (int64_t i = 0; i < a.m; ++i) {
    for (int64_t j = 0; j < a.n; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < a.k; ++t) {
        sum += double{ToFloat(x[i * a.k + t])} * ToFloat(b[t * a.n + j]);
      }
      a.y[i * a.n + j] = static_cast<float>(sum);
    }
  }
}

template <class T>
void MatmulGradWeightOf(const MatmulGradWeightArgs& a) {
  const T* dy = static_cast<const T*>(a.dy);
  const T* x = static_cast<const T*>(a.x);
  for (int64_t j = 0; j < a.n; ++j) {
    for (int64_t t = 0; t < a.k; ++t) {
      double sum = 0;
      for (int64_t i = 0; i < a.m; ++i) {
        sum += double{ToFloat(dy[i * a.n + j])} * ToFloat(x[i * a.k + t]);
      }
      a.dw[j * a.k + t] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void Matmul(const RefContext&, const RefMatmulArgs& a) {
  WithType(a.dtype, [&]<class T>() { MatmulOf<T>(a); });
}

void MatmulGradWeight(const RefContext&, const MatmulGradWeightArgs& a) {
  WithType(a.dtype, [&]<class T>() { MatmulGradWeightOf<T>(a); });
}

}  // namespace aha::ops
