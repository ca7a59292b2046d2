#include "ops/simd_table.h"

namespace aha::ops {

#define AHA_DECLARE_KERNELS(isa)       \
  namespace isa {                      \
  void AddElementwise(SimdTable& t);   \
  void AddAdamW(SimdTable& t);         \
  void AddAttention(SimdTable& t);     \
  void AddAttentionGrad(SimdTable& t); \
  void AddHead(SimdTable& t);          \
  void AddGemm(SimdTable& t);          \
  inline SimdTable Table() {           \
    SimdTable t;                       \
    AddElementwise(t);                 \
    AddAdamW(t);                       \
    AddAttention(t);                   \
    AddAttentionGrad(t);               \
    AddHead(t);                        \
    AddGemm(t);                        \
    return t;                          \
  }                                    \
  }
AHA_DECLARE_KERNELS(avx2)
AHA_DECLARE_KERNELS(avx512)
#undef AHA_DECLARE_KERNELS

const SimdTable& Simd() {
  // Only oneDNN's products use what AVX512-BF16 adds.
  static const SimdTable table =
      RunsAvx512(CurrentIsa()) ? avx512::Table() : avx2::Table();
  return table;
}

}  // namespace aha::ops
