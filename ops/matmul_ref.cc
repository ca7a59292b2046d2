#include <algorithm>
#include <utility>

#include "device/buffer.h"
#include "ops/matmul.h"

namespace aha::ops {
namespace {

// B [k, n] in row order, in the matrix's own dtype.
struct ReferenceMatrix final : PackedMatrix::Storage {
  int64_t k, n;
  DType dtype;
  Buffer elements;
};

template <class T>
void MatmulOf(const MatmulArgs& a, const void* elements) {
  const T* x = static_cast<const T*>(a.x);
  const T* b = static_cast<const T*>(elements);
  const int64_t k = a.b->k(), n = a.b->n();
  for (int64_t i = 0; i < a.m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < k; ++t) {
        sum += double{ToFloat(x[i * k + t])} * ToFloat(b[t * n + j]);
      }
      float& y = a.y[i * n + j];
      const float product = static_cast<float>(sum);
      y = a.into == Into::kAdd ? y + product : product;
    }
  }
}

// The first `rows` rows of dw.
template <class T>
void MatmulGradWeightOf(const MatmulGradWeightArgs& a, int64_t rows) {
  const T* dy = static_cast<const T*>(a.dy);
  const T* x = static_cast<const T*>(a.x);
  for (int64_t j = 0; j < rows; ++j) {
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

absl::StatusOr<std::unique_ptr<PackedMatrix::Storage>> NewMatrixStorage(
    const ReferenceContext&, int64_t k, int64_t n, DType dtype) {
  auto matrix = std::make_unique<ReferenceMatrix>();
  matrix->k = k;
  matrix->n = n;
  matrix->dtype = dtype;
  const size_t bytes = static_cast<size_t>(k * n) * SizeOf(dtype);
  std::fill_n(matrix->elements.Get<std::byte>(static_cast<int64_t>(bytes)),
              bytes, std::byte{0});
  return std::unique_ptr<PackedMatrix::Storage>(std::move(matrix));
}

void PackInto(const ReferenceContext&, const void* w,
              PackedMatrix::Source source, PackedMatrix::Storage* storage) {
  auto& matrix = static_cast<ReferenceMatrix&>(*storage);
  const bool plain = source == PackedMatrix::Source::kPlain;
  for (int64_t i = 0; i < matrix.k; ++i) {
    for (int64_t j = 0; j < matrix.n; ++j) {
      const int64_t from = plain ? i * matrix.n + j : j * matrix.k + i;
      StoreElement(matrix.elements.data(), i * matrix.n + j,
                   LoadElement(w, from, matrix.dtype), matrix.dtype);
    }
  }
}

void Matmul(const ReferenceContext&, const MatmulArgs& a) {
  const void* b =
      static_cast<const ReferenceMatrix&>(a.b->storage()).elements.data();
  WithType(a.b->dtype(), [&]<class T>() { MatmulOf<T>(a, b); });
}

void MatmulAll(const ReferenceContext& context,
               absl::Span<const MatmulArgs> products) {
  for (const MatmulArgs& product : products) Matmul(context, product);
}

void MatmulGradWeight(const ReferenceContext&, const MatmulGradWeightArgs& a) {
  WithType(a.dtype, [&]<class T>() { MatmulGradWeightOf<T>(a, a.n); });
}

std::vector<RowRange> SampleGradWeight(const ReferenceContext&,
                                       const MatmulGradWeightArgs& a) {
  if (a.m == 0) return {};
  WithType(a.dtype, [&]<class T>() { MatmulGradWeightOf<T>(a, 1); });
  return {{0, 1}};
}

}  // namespace aha::ops
