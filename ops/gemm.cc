// Implements gemm.h. Per thread, OneDnn compiles and caches one primitive for
// each shape. If oneDNN has no invariant ("brgemm") kernel for a panel, the
// panel is packed for our own fp32 kernel (gemm_simd.cc) instead, once and for
// every row count.
//
// An emulated instruction set never uses oneDNN.
//
// Scratch slots of scratch.h: 1 for dense copies, 2 and 3 for the fallback.
#include "ops/gemm.h"

#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/ceil_div.h"
#include "device/buffer.h"
#include "device/isa.h"
#include "dnnl.hpp"
#include "ops/scratch.h"
#include "ops/simd_table.h"

namespace aha::ops {
namespace {

using dnnl::memory;

constexpr int64_t kPanel = 16;  // Columns of the fallback's packed layout.

const dnnl::engine& Engine() {
  static const dnnl::engine* engine = [] {
    CurrentIsa();  // Sets oneDNN's limit before its first use.
    return new dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return *engine;
}

memory::data_type TypeOf(DType dtype) {
  return dtype == DType::kF32 ? memory::data_type::f32
                              : memory::data_type::bf16;
}

// The parameters of a compiled product.
struct Key {
  int64_t m, k, n;
  DType dtype;
  Into into;
  bool grad_weight;

  auto Tie() const { return std::tie(m, k, n, dtype, into, grad_weight); }
  bool operator==(const Key& other) const { return Tie() == other.Tie(); }
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    uint64_t h = key.grad_weight * 2 + (key.into == Into::kAdd);
    for (const int64_t part :
         {key.m, key.k, key.n, static_cast<int64_t>(key.dtype)}) {
      h = (h ^ static_cast<uint64_t>(part)) * 0x9e3779b97f4a7c15;
      h ^= h >> 29;
    }
    return h;
  }
};

memory::desc Describe(int64_t rows, int64_t cols, int64_t row_stride,
                      int64_t col_stride, memory::data_type type) {
  return memory::desc({rows, cols}, type, {row_stride, col_stride});
}

memory::desc AnyLayout(int64_t k, int64_t n, DType dtype) {
  return memory::desc({k, n}, TypeOf(dtype), memory::format_tag::any);
}

// brgemm needs every operand dense. Throws dnnl::error if there is no kernel.
dnnl::matmul::primitive_desc Plan(const Key& key, const memory::desc& weights) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.into == Into::kAdd) {
    dnnl::post_ops add;
    add.append_sum(1.f);
    attr.set_post_ops(add);
  }
  const memory::data_type type = TypeOf(key.dtype);
  const memory::desc x = key.grad_weight
                             ? Describe(key.m, key.k, 1, key.m, type)
                             : Describe(key.m, key.k, key.k, 1, type);
  const memory::desc y =
      Describe(key.m, key.n, key.n, 1, memory::data_type::f32);
  return dnnl::matmul::primitive_desc({x, weights, y}, attr, Engine());
}

bool IsInvariant(const dnnl::matmul::primitive_desc& plan) {
  return std::strncmp(plan.impl_info_str(), "brg", 3) == 0;
}

// A compiled product with its arguments, for one thread.
struct Compiled {
  bool usable = false;
  dnnl::matmul primitive;
  memory x, y, scratch;
  size_t scratch_bytes = 0;
  std::unordered_map<int, memory> args;
};

// The oneDNN objects of one thread. A product runs in the thread that calls it
// and in no other, so that oneDNN's own choices never depend on the number of
// threads.
class OneDnn {
 public:
  static OneDnn& Get() {
    thread_local OneDnn instance;
    return instance;
  }

  Compiled& Find(const Key& key, const memory::desc& weights) {
    const auto [it, inserted] = compiled_.try_emplace(key);
    if (inserted) Compile(key, weights, it->second);
    return it->second;
  }

  void Run(Compiled& product, const void* x, const memory& weights, float* y) {
    product.x.set_data_handle(const_cast<void*>(x));
    product.y.set_data_handle(y);
    product.scratch.set_data_handle(scratch_.Bytes(product.scratch_bytes));
    product.args[DNNL_ARG_WEIGHTS] = weights;
    product.primitive.execute(stream_, product.args);
  }

  dnnl::stream& stream() { return stream_; }

 private:
  OneDnn() : stream_((omp_set_num_threads(1), Engine())) {}

  void Compile(const Key& key, const memory::desc& weights, Compiled& out) {
    try {
      const auto plan = Plan(key, weights);
      if (!IsInvariant(plan)) return;
      out.primitive = dnnl::matmul(plan);
      out.x = memory(plan.src_desc(), Engine(), nullptr);
      out.y = memory(plan.dst_desc(), Engine(), nullptr);
      out.scratch = memory(plan.scratchpad_desc(), Engine(), nullptr);
      out.scratch_bytes = plan.scratchpad_desc().get_size();
      out.args = {{DNNL_ARG_SRC, out.x},
                  {DNNL_ARG_DST, out.y},
                  {DNNL_ARG_SCRATCHPAD, out.scratch}};
      out.usable = true;
    } catch (const dnnl::error&) {
      out.usable = false;  // The fallback is used.
    }
  }

  dnnl::stream stream_;
  // Shared by all products, because hundreds of them are compiled.
  Buffer scratch_;
  std::unordered_map<Key, Compiled, KeyHash> compiled_;
};

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "aha: %s\n", message.c_str());
  std::abort();
}

// Returns the rows of x [m, k] in fp32; bf16 rows are converted into scratch
// slot 2.
const float* WidenRows(const void* x, int64_t m, int64_t k, DType dtype) {
  if (dtype == DType::kF32) return static_cast<const float*>(x);
  float* out = ThreadScratch(2, m * k);
  Simd().widen(static_cast<const Bf16*>(x), out, m * k);
  return out;
}

// Packs into panels of [k, kPanel] and fills the last one with zeros.
template <class At>
void PackFallback(int64_t k, int64_t n, float* out, const At& at) {
  for (int64_t j = 0; j < n; j += kPanel) {
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t c = 0; c < kPanel; ++c) {
        *out++ = j + c < n ? at(i, j + c) : 0.f;
      }
    }
  }
}

bool Emulates() { return CurrentIsa() == Isa::kEmulatedAvx512Bf16; }

// The numbers over k that oneDNN's brgemm sums from zero on AVX-512 before it
// adds them to those before. So oneDNN 2.6 chooses; another version may choose
// otherwise, and then the recorded checksums differ (checksum_net_test).
int64_t ChunkOf(int64_t k, bool grad_weight) {
  return k > 1024 && !grad_weight ? 1024 : 512;
}

struct Rows {
  const float* x;
  int64_t stride, m;
  DType dtype;  // The format that the numbers had before.
  bool grad_weight = false;
};
void RunFallback(const Rows& rows, const float* packed, float* y,
                 int64_t stride_y, int64_t k, int64_t n, Into into) {
  const bool add = into == Into::kAdd;
  for (int64_t j = 0; j < n; j += kPanel) {
    const int64_t width = std::min(kPanel, n - j);
    if (Emulates() && rows.dtype == DType::kBf16) {
      Simd().gemm_panel_bf16(rows.x, rows.stride, packed + j * k, y + j,
                             stride_y, rows.m, k, width,
                             ChunkOf(k, rows.grad_weight), add);
    } else {
      Simd().gemm_panel(rows.x, rows.stride, packed + j * k, y + j, stride_y,
                        rows.m, k, width, add);
    }
  }
}

// Returns dy's columns without the gaps between them.
const void* DenseColumns(const GradWeightPanel& a) {
  if (a.stride_dy == a.n) return a.dy;
  const size_t size = SizeOf(a.dtype);
  std::byte* out = reinterpret_cast<std::byte*>(ThreadScratch(1, a.m * a.n));
  const std::byte* from = static_cast<const std::byte*>(a.dy);
  for (int64_t i = 0; i < a.m; ++i) {
    std::memcpy(out + static_cast<size_t>(i * a.n) * size,
                from + static_cast<size_t>(i * a.stride_dy) * size,
                static_cast<size_t>(a.n) * size);
  }
  return out;
}

}  // namespace

struct PackedPanel::Impl {
  int64_t k, n;
  DType dtype;
  bool one_dnn = false;
  memory::desc layout;
  Buffer data;
  memory packed;  // Wraps `data`.
};

PackedPanel::PackedPanel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedPanel::PackedPanel(PackedPanel&&) noexcept = default;
PackedPanel& PackedPanel::operator=(PackedPanel&&) noexcept = default;
PackedPanel::~PackedPanel() = default;
int64_t PackedPanel::k() const { return impl_->k; }
int64_t PackedPanel::n() const { return impl_->n; }

absl::StatusOr<PackedPanel> PackedPanel::Create(int64_t k, int64_t n,
                                                DType dtype) {
  if (k < 1 || n < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a matrix must have at least 1 row and 1 column, got ", k, " x ", n));
  }
  OneDnn::Get();
  auto impl = std::make_unique<Impl>();
  impl->k = k;
  impl->n = n;
  impl->dtype = dtype;
  try {
    Key key{kMaxGemmRows, k, n, dtype, Into::kOverwrite, false};
    const auto most = Plan(key, AnyLayout(k, n, dtype));
    impl->layout = most.weights_desc();
    key.m = 1;  // The layout must serve every number of rows.
    impl->one_dnn = !Emulates() && IsInvariant(most) &&
                    IsInvariant(Plan(key, impl->layout));
  } catch (const dnnl::error&) {
    impl->one_dnn = false;
  }
  const size_t bytes = impl->one_dnn
                           ? impl->layout.get_size()
                           : static_cast<size_t>(RoundUp(n, kPanel) * k) * 4;
  impl->data.Reserve(bytes);
  std::memset(impl->data.data(), 0, bytes);
  if (impl->one_dnn) {
    impl->packed = memory(impl->layout, Engine(), impl->data.data());
  }
  return PackedPanel(std::move(impl));
}

void PackedPanel::Pack(const void* w, int64_t stride,
                       PackedMatrix::Source source) {
  Impl& p = *impl_;
  const bool plain = source == PackedMatrix::Source::kPlain;
  const int64_t step_i = plain ? stride : 1, step_j = plain ? 1 : stride;
  if (!p.one_dnn) {
    WithType(p.dtype, [&]<class T>() {
      const T* from = static_cast<const T*>(w);
      PackFallback(p.k, p.n, p.data.as<float>(), [&](int64_t i, int64_t j) {
        return ToFloat(from[i * step_i + j * step_j]);
      });
    });
    return;
  }
  memory from(Describe(p.k, p.n, step_i, step_j, TypeOf(p.dtype)), Engine(),
              const_cast<void*>(w));
  dnnl::stream& stream = OneDnn::Get().stream();
  dnnl::reorder(from, p.packed).execute(stream, from, p.packed);
}

void Gemm(const PackedPanel& b, const void* x, float* y, int64_t stride_y,
          int64_t m, Into into) {
  const PackedPanel::Impl& p = b.impl();
  if (!p.one_dnn) {
    RunFallback({WidenRows(x, m, p.k, p.dtype), p.k, m, p.dtype},
                p.data.as<float>(), y, stride_y, p.k, p.n, into);
    return;
  }
  // oneDNN's kernel writes dense rows only. Other strides need scratch memory
  // and a copy.
  const bool dense = stride_y == p.n || m == 1;
  const Key key{m, p.k, p.n, p.dtype, dense ? into : Into::kOverwrite, false};
  OneDnn& one_dnn = OneDnn::Get();
  Compiled& product = one_dnn.Find(key, p.layout);
  if (!product.usable) {
    Die(absl::StrCat("oneDNN has no invariant product for ", m, " rows of a ",
                     p.k, " x ", p.n, " matrix, but had for ", kMaxGemmRows));
  }
  if (dense) {
    one_dnn.Run(product, x, p.packed, y);
    return;
  }
  float* scratch = ThreadScratch(1, m * p.n);
  one_dnn.Run(product, x, p.packed, scratch);
  for (int64_t r = 0; r < m; ++r) {
    float* row = y + r * stride_y;
    if (into == Into::kAdd) {
      Simd().add(scratch + r * p.n, row, p.n);
    } else {
      std::copy_n(scratch + r * p.n, p.n, row);
    }
  }
}

void GemmGradWeight(const GradWeightPanel& a) {
  // It is the product [n, m] x [m, k].
  if (!Emulates()) {
    const Key key{a.n, a.m, a.k, a.dtype, a.into, true};
    const memory::desc x = Describe(a.m, a.k, a.k, 1, TypeOf(a.dtype));
    OneDnn& one_dnn = OneDnn::Get();
    Compiled& product = one_dnn.Find(key, x);
    if (product.usable) {
      const memory weights(x, Engine(), const_cast<void*>(a.x));
      one_dnn.Run(product, DenseColumns(a), weights, a.dw);
      return;
    }
  }
  // The fallback packs x as B and transposes dy, whose rows become those of dw.
  float* packed = ThreadScratch(2, RoundUp(a.k, kPanel) * a.m);
  float* turned = ThreadScratch(3, a.n * a.m);
  WithType(a.dtype, [&]<class T>() {
    const T* from = static_cast<const T*>(a.x);
    PackFallback(a.m, a.k, packed, [&](int64_t i, int64_t j) {
      return ToFloat(from[i * a.k + j]);
    });
    const T* dy = static_cast<const T*>(a.dy);
    for (int64_t i = 0; i < a.m; ++i) {
      for (int64_t j = 0; j < a.n; ++j) {
        turned[j * a.m + i] = ToFloat(dy[i * a.stride_dy + j]);
      }
    }
  });
  RunFallback({turned, a.m, a.n, a.dtype, true}, packed, a.dw, a.k, a.m, a.k,
              a.into);
}

}  // namespace aha::ops
