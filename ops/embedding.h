// Token embedding: a gather times a factor, and a scatter-add for its gradient.
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

struct EmbeddingArgs {
  const void* table;      // [vocab, cols], dtype
  const int32_t* tokens;  // [rows], each in [0, vocab)
  float* y;               // [rows, cols]
  int64_t rows, cols;
  DType dtype;
  float factor = 1;
};
void Embedding(const CpuContext& context, const EmbeddingArgs& args);
void Embedding(const ReferenceContext&, const EmbeddingArgs& args);
inline void Embedding(const Context& context, const EmbeddingArgs& args) {
  context.Visit([&](const auto& device) { Embedding(device, args); });
}

struct EmbeddingGradArgs {
  const int32_t* tokens;  // [rows]
  const float* dy;        // [rows, cols]
  float* dtable;          // [vocab, cols], added to; row 0 first
  int64_t rows, cols;
  float factor = 1;
};
void EmbeddingGrad(const CpuContext& context, const EmbeddingGradArgs& args);
void EmbeddingGrad(const ReferenceContext&, const EmbeddingGradArgs& args);
inline void EmbeddingGrad(const Context& context,
                          const EmbeddingGradArgs& args) {
  context.Visit([&](const auto& device) { EmbeddingGrad(device, args); });
}

}  // namespace aha::ops
