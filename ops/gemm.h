// One matrix product in one thread. Internal to ops/: matmul.h and head.h cut
// their products into calls of it.
//
// oneDNN computes it where its kernel is a "brgemm", which sums each element
// over k in one order whatever the other rows are (measured, and checked again
// at start-up by Certify). Elsewhere (AVX2, and bf16 without AVX512-BF16) our
// own fp32 kernel computes it.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "device/dtype.h"
#include "ops/matmul.h"

namespace aha::ops {

// The most rows of x in one Gemm. So many let the kernel run at full speed, and
// the limit bounds the number of compiled kernels.
constexpr int64_t kMaxGemmRows = 64;

// A packed B [k, n]. Thread-safe while no Pack runs.
class PackedPanel {
 public:
  static absl::StatusOr<PackedPanel> Create(int64_t k, int64_t n, DType dtype);
  PackedPanel(PackedPanel&&) noexcept;
  PackedPanel& operator=(PackedPanel&&) noexcept;
  ~PackedPanel();

  // kTransposed: B[i, j] = w[j * stride + i]. kPlain: B[i, j] = w[i * stride +
  // j].
  void Pack(const void* w, int64_t stride, PackedMatrix::Source source);

  int64_t k() const;
  int64_t n() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit PackedPanel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Computes y = x b or y += x b. y is [m, n] at row stride `stride_y`, x is [m,
// k], and m <= kMaxGemmRows.
void Gemm(const PackedPanel& b, const void* x, float* y, int64_t stride_y,
          int64_t m, Into into);

// Some rows of a weight's gradient: dw [n, k] = dy^T x or += dy^T x, with dy's
// rows `stride_dy` apart.
struct GradWeightPanel {
  const void* dy;
  int64_t stride_dy;
  const void* x;  // [m, k]
  float* dw;      // [n, k]
  int64_t m, n, k;
  DType dtype;
  Into into;
};
void GemmGradWeight(const GradWeightPanel& panel);

}  // namespace aha::ops
