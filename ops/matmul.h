// Matrix products on oneDNN, one invariant order of summation each.
//
// Parallelism is ours, not oneDNN's: a product is cut into (block of rows) x
// (panel of columns) tasks for the pool, each a single-threaded oneDNN
// primitive, and K is never split.  So a row's bits depend neither on the other
// rows nor on the number of threads, given that oneDNN's kernels are
// row-invariant, which Certify (model/policy.h) checks at start-up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

// The right factor B [k, n] of a product, in the layout oneDNN likes best.
class PackedMatrix {
 public:
  // Where B comes from: a matrix w in Hugging Face's order [out, in].
  enum class Source {
    kTransposed,  // w is [n, k]: B = w^T, for y = x w^T (forward).
    kPlain,       // w is [k, n]: B = w, for dx = dy w (gradient of the input).
  };
  static absl::StatusOr<PackedMatrix> Create(int64_t k, int64_t n, DType dtype);
  PackedMatrix(PackedMatrix&&) noexcept;
  PackedMatrix& operator=(PackedMatrix&&) noexcept;
  ~PackedMatrix();

  // Packs w, of this matrix's dtype, over what was here.
  void Pack(const CpuContext& context, const void* w, Source source);

  int64_t k() const;
  int64_t n() const;
  DType dtype() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit PackedMatrix(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

enum class Into { kOverwrite, kAdd };

struct MatmulArgs {
  const void* x;          // [m, k], b's dtype
  const PackedMatrix* b;  // [k, n]
  float* y;               // [m, n]
  int64_t m;
  Into into = Into::kOverwrite;  // kAdd: y = y + x b, the product rounded first
};
void Matmul(const CpuContext& context, const MatmulArgs& args);

struct RefMatmulArgs {
  const void* x;  // [m, k], dtype
  const void* b;  // [k, n], dtype
  float* y;       // [m, n]
  int64_t m, k, n;
  DType dtype;
};
void Matmul(const RefContext&, const RefMatmulArgs& args);

// dw = dy^T x: the gradient of w [n, k] in y = x w^T.  Summed over the m rows
// in one order that depends on m alone: piece by piece (GradWeightPieces), each
// in the kernel's order, the first overwriting and the others adding.
struct MatmulGradWeightArgs {
  const void* dy;  // [m, n], dtype
  const void* x;   // [m, k], dtype
  float* dw;       // [n, k], overwritten
  int64_t m, n, k;
  DType dtype;
};
void MatmulGradWeight(const CpuContext& context,
                      const MatmulGradWeightArgs& args);
void MatmulGradWeight(const RefContext&, const MatmulGradWeightArgs& args);

// The pieces that m rows are summed in: whole multiples of kGradWeightStep, the
// last padded with zeros to one.
std::vector<int64_t> GradWeightPieces(int64_t m);
constexpr int64_t kGradWeightStep = 64;
// The multiples of kGradWeightStep up to here reach every kernel that any m
// reaches.
constexpr int64_t kGradWeightEnough = 2048;

// For Certify, a fraction of MatmulGradWeight's cost: makes the rows of dw of
// one task of each width alone, and so runs every kernel of these arguments'
// shape.  Returns which rows.
struct RowRange {
  int64_t first, count;
};
std::vector<RowRange> SampleGradWeight(const CpuContext& context,
                                       const MatmulGradWeightArgs& args);

}  // namespace aha::ops
