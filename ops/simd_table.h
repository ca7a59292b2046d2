// The kernels that are compiled once for each instruction set, as one table of
// function pointers. Internal to ops/.
//
// A kernel processes a row or a small tile in one thread; the *_cpu.cc bodies
// cut an op into calls of kernels. To add a kernel, add a field here and a line
// in the Add function of its file.
#pragma once

#include <cstdint>

#include "device/dtype.h"
#include "device/isa.h"
#include "ops/attention.h"

namespace aha::ops {

// Some query rows of one sequence and one KV head.
struct AttentionTile {
  const SequenceRows* sequence;
  int64_t kv_head;
  int64_t begin, end;  // Rows of the sequence.
};

// The sums of a row's logits over one tile of the vocabulary.
struct TileSums {
  float max;
  float sum;       // of exp(l - max)
  float weighted;  // of exp(l - max) (l - max)
};

struct AdamWFactors {
  double gradient_scale;
  float beta1, beta2, decay, step, inv_root2, epsilon;
};

struct SimdTable {
  // elementwise_simd.cc
  void (*round)(const float* in, Bf16* out, int64_t n);
  void (*widen)(const Bf16* in, float* out, int64_t n);
  void (*add)(const float* x, float* y, int64_t n);  // y += x
  void (*scale)(float factor, float* y, int64_t n);  // y *= factor
  // y += factor * x, rounded once
  void (*add_scaled)(float factor, const float* x, float* y, int64_t n);
  float (*dot)(const float* x, const void* y, int64_t n, DType dtype);
  float (*rms_norm)(const float* x, const float* gamma, void* y, int64_t n,
                    float eps, DType dtype);
  // y += the norm; returns the same.
  float (*add_rms_norm)(const float* x, const float* gamma, float* y, int64_t n,
                        float eps);
  void (*rms_norm_grad)(const float* x, const float* gamma, float inv_rms,
                        const float* dy, float* dx, float* dgamma, int64_t n);
  void (*rope)(float* x, const float* cos, const float* sin, int64_t heads,
               int64_t half, float sign);
  void (*swiglu)(const float* gate_up, void* y, int64_t n, DType dtype);
  void (*swiglu_grad)(const float* gate_up, const float* dy, void* dgate_up,
                      int64_t n, DType dtype);
  // The same with the GELU of swiglu.h.
  void (*geglu)(const float* gate_up, void* y, int64_t n, DType dtype);
  void (*geglu_grad)(const float* gate_up, const float* dy, void* dgate_up,
                     int64_t n, DType dtype);

  // adamw_simd.cc
  void (*adamw)(const AdamWFactors& factors, const int64_t* sums, float* master,
                float* m, float* v, void* weights, int64_t n, DType dtype);
  double (*sum_of_squares)(const int64_t* sums, int64_t n);
  // Convert from and to split_master.h. The bit for ties is the sign of v;
  // join_master clears it.
  void (*join_master)(const Bf16* rounded, const uint16_t* low, float* v,
                      float* master, int64_t n);
  void (*split_master)(const float* master, Bf16* rounded, uint16_t* low,
                       float* v, int64_t n);

  // attention_simd.cc. The scratch must have at least as many floats as the
  // function before it returns.
  int64_t (*attention_scratch)(const AttentionArgs& args, int64_t rows);
  void (*attention)(const AttentionArgs& args, const AttentionTile& tile,
                    float* scratch);
  // attention_grad_simd.cc
  int64_t (*attention_grad_scratch)(const AttentionGradArgs& args,
                                    int64_t rows);
  void (*attention_grad)(const AttentionGradArgs& args,
                         const SequenceRows& sequence, int64_t kv_head,
                         float* scratch);

  // head_simd.cc. l [n] is scaled in place before it is summed. exps may be
  // null; otherwise it receives exp(l - max). n <= kHeadTile.
  void (*scale_logits)(float* l, float inv_temperature, int64_t n);
  TileSums (*sum_tile)(const float* l, int64_t n, float* exps);
  int64_t (*pick)(const float* exps, int64_t n, float uniform);
  int64_t (*first_equal)(const float* l, int64_t n, float value);
  // dl = factor * (onehot(target) - exp(l * inv_temperature - log_sum_exp)). A
  // target outside [0, n) means no one-hot.
  void (*dlogits)(const float* l, float inv_temperature, float log_sum_exp,
                  float factor, int64_t target, void* dl, int64_t n,
                  DType dtype);

  // gemm_simd.cc: y [rows, n <= 16] (+)= a [rows, k] b, b packed as [k, 16].
  void (*gemm_panel)(const float* a, int64_t lda, const float* b, float* y,
                     int64_t ldy, int64_t rows, int64_t k, int64_t n, bool add);
  // The same for widened bf16 numbers, summed as oneDNN and AVX512-BF16 do:
  // `chunk` (even) numbers at a time from zero, each sum added to the ones
  // before.
  void (*gemm_panel_bf16)(const float* a, int64_t lda, const float* b, float* y,
                          int64_t ldy, int64_t rows, int64_t k, int64_t n,
                          int64_t chunk, bool add);
};

// Returns the table for CurrentIsa().
const SimdTable& Simd();

}  // namespace aha::ops
