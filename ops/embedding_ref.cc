#include "ops/embedding.h"
#include "ops/ref.h"

namespace aha::ops {

void Embedding(const ReferenceContext&, const EmbeddingArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t c = 0; c < a.cols; ++c) {
      a.y[r * a.cols + c] =
          a.factor * LoadElement(a.table, a.tokens[r] * a.cols + c, a.dtype);
    }
  }
}

void EmbeddingGrad(const ReferenceContext&, const EmbeddingGradArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t c = 0; c < a.cols; ++c) {
      a.dtable[a.tokens[r] * a.cols + c] += a.factor * a.dy[r * a.cols + c];
    }
  }
}

}  // namespace aha::ops
