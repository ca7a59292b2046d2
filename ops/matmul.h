// Matrix products, each with one invariant order of summation.
//
// On the CPU, oneDNN multiplies, but the parallelism is ours: a product is cut
// into (block of rows) x (panel of columns) tasks for the pool, each a
// single-threaded oneDNN primitive, and K is never split.  So the bits of a row
// depend neither on the other rows nor on the number of threads, given that
// oneDNN's kernels are row-invariant, which Certify (model/policy.h) checks at
// start-up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

// The right factor B [k, n] of a product, in the layout that its device
// multiplies fastest.  Thread-safe while no Pack runs.
class PackedMatrix {
 public:
  // The matrix w, in Hugging Face's order [out, in], that B is made from.
  enum class Source {
    kTransposed,  // w is [n, k]: B = w^T, for y = x w^T (forward).
    kPlain,       // w is [k, n]: B = w, for dx = dy w (gradient of the input).
  };
  // A matrix of zeros on the context's device.  INVALID_ARGUMENT if k or n is
  // below 1.
  static absl::StatusOr<PackedMatrix> Create(const Context& context, int64_t k,
                                             int64_t n, DType dtype);

  // Packs w, of this matrix's dtype, over what was here.  REQUIRES, here and
  // in every op: the context is of the device that Create got.
  void Pack(const Context& context, const void* w, Source source);

  int64_t k() const { return k_; }
  int64_t n() const { return n_; }
  DType dtype() const { return dtype_; }

  // What one device keeps of B; the device's body file derives from it.
  struct Storage {
    virtual ~Storage() = default;
  };
  const Storage& storage() const { return *storage_; }

 private:
  PackedMatrix(int64_t k, int64_t n, DType dtype,
               std::unique_ptr<Storage> storage)
      : k_(k), n_(n), dtype_(dtype), storage_(std::move(storage)) {}

  int64_t k_, n_;
  DType dtype_;
  std::unique_ptr<Storage> storage_;
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
void Matmul(const ReferenceContext&, const MatmulArgs& args);
inline void Matmul(const Context& context, const MatmulArgs& args) {
  context.Visit([&](const auto& device) { Matmul(device, args); });
}

// Several products at once, each with the bits of Matmul. No product may read
// or write what another one writes.
void MatmulAll(const CpuContext& context,
               absl::Span<const MatmulArgs> products);
void MatmulAll(const ReferenceContext& context,
               absl::Span<const MatmulArgs> products);
inline void MatmulAll(const Context& context,
                      absl::Span<const MatmulArgs> products) {
  context.Visit([&](const auto& device) { MatmulAll(device, products); });
}

// dw = dy^T x: the gradient of w [n, k] in y = x w^T.  Summed over the m rows
// in one order that depends on m alone.  On the CPU that is piece by piece
// (GradWeightPieces), each in the kernel's order, the first overwriting and the
// others adding.
struct MatmulGradWeightArgs {
  const void* dy;  // [m, n], dtype
  const void* x;   // [m, k], dtype
  float* dw;       // [n, k], overwritten
  int64_t m, n, k;
  DType dtype;
};
void MatmulGradWeight(const CpuContext& context,
                      const MatmulGradWeightArgs& args);
void MatmulGradWeight(const ReferenceContext&,
                      const MatmulGradWeightArgs& args);
inline void MatmulGradWeight(const Context& context,
                             const MatmulGradWeightArgs& args) {
  context.Visit([&](const auto& device) { MatmulGradWeight(device, args); });
}

// The pieces that m rows are summed in: whole multiples of kGradWeightStep, the
// last padded with zeros to one.
std::vector<int64_t> GradWeightPieces(int64_t m);
constexpr int64_t kGradWeightStep = 64;
// The multiples of kGradWeightStep up to here reach every kernel that any m
// reaches.
constexpr int64_t kGradWeightEnough = 2048;

// For Certify, a fraction of MatmulGradWeight's cost: computes the rows of dw
// of one task of each width alone, and so runs every kernel that these
// arguments' shape needs.  Returns the rows that it computed.
struct RowRange {
  int64_t first, count;
};
std::vector<RowRange> SampleGradWeight(const CpuContext& context,
                                       const MatmulGradWeightArgs& args);
// The reference has one kernel, which the first row runs.
std::vector<RowRange> SampleGradWeight(const ReferenceContext& context,
                                       const MatmulGradWeightArgs& args);
inline std::vector<RowRange> SampleGradWeight(
    const Context& context, const MatmulGradWeightArgs& args) {
  return context.Visit(
      [&](const auto& device) { return SampleGradWeight(device, args); });
}

// The part of PackedMatrix that a device's body file defines.
absl::StatusOr<std::unique_ptr<PackedMatrix::Storage>> NewMatrixStorage(
    const CpuContext& context, int64_t k, int64_t n, DType dtype);
absl::StatusOr<std::unique_ptr<PackedMatrix::Storage>> NewMatrixStorage(
    const ReferenceContext& context, int64_t k, int64_t n, DType dtype);
void PackInto(const CpuContext& context, const void* w,
              PackedMatrix::Source source, PackedMatrix::Storage* storage);
void PackInto(const ReferenceContext& context, const void* w,
              PackedMatrix::Source source, PackedMatrix::Storage* storage);

}  // namespace aha::ops
