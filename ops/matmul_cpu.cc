// The CPU bodies of matmul.h. They choose the blocks and panels, which decide
// how fast a product is, and never how an element is summed.
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/ceil_div.h"
#include "device/buffer.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace aha::ops {
namespace {

// Multiply-adds of the smallest task: one of less than about 10 us costs more
// to hand over than it gains.
constexpr int64_t kMinTaskMacs = 1 << 20;
constexpr int64_t kMinRows = 16;  // Rows of the smallest task.

// The number of columns of a panel, a function of the shape alone. A panel
// should stay in half an L2 cache while rows stream past it, and narrow panels
// balance better; but results of more than one panel are copied (gemm.cc),
// which costs much if k is small.
int64_t PanelWidth(int64_t k, int64_t n) {
  const int64_t most =
      k <= 256 ? 1024 : std::clamp<int64_t>((1 << 17) / k / 64 * 64, 64, 512);
  const int64_t panels = CeilDiv(n, most);
  return RoundUp(CeilDiv(n, panels), 64);
}

// B in panels of `width` columns each, the last one narrower.
struct CpuMatrix final : PackedMatrix::Storage {
  int64_t k, n, width;
  DType dtype;
  std::vector<PackedPanel> panels;
};

const CpuMatrix& CpuMatrixOf(const PackedMatrix& matrix) {
  return static_cast<const CpuMatrix&>(matrix.storage());
}

}  // namespace

absl::StatusOr<std::unique_ptr<PackedMatrix::Storage>> NewMatrixStorage(
    const CpuContext&, int64_t k, int64_t n, DType dtype) {
  auto matrix = std::make_unique<CpuMatrix>();
  matrix->k = k;
  matrix->n = n;
  matrix->dtype = dtype;
  matrix->width = PanelWidth(k, n);
  for (int64_t begin = 0; begin < n; begin += matrix->width) {
    absl::StatusOr<PackedPanel> panel =
        PackedPanel::Create(k, std::min(matrix->width, n - begin), dtype);
    if (!panel.ok()) return panel.status();
    matrix->panels.push_back(*std::move(panel));
  }
  return std::unique_ptr<PackedMatrix::Storage>(std::move(matrix));
}

void PackInto(const CpuContext& context, const void* w,
              PackedMatrix::Source source, PackedMatrix::Storage* storage) {
  auto& matrix = static_cast<CpuMatrix&>(*storage);
  const bool plain = source == PackedMatrix::Source::kPlain;
  const int64_t stride = plain ? matrix.n : matrix.k;
  const int64_t count = static_cast<int64_t>(matrix.panels.size());
  context.pool->For(count, [&](int64_t i) {
    const int64_t first = i * matrix.width * (plain ? 1 : matrix.k);
    matrix.panels[i].Pack(ElementAt(w, first, matrix.dtype), stride, source);
  });
}

namespace {

// Task number i of a product whose rows are cut into blocks of `block`.
void RunTask(const MatmulArgs& args, const CpuMatrix& b, int64_t block,
             int64_t i) {
  const int64_t blocks = CeilDiv(args.m, block);
  // Rows vary fastest, so that a panel stays in the cache while rows pass.
  const int64_t panel = i / blocks, row = i % blocks * block;
  Gemm(b.panels[panel], ElementAt(args.x, row * b.k, b.dtype),
       args.y + row * b.n + panel * b.width, b.n, std::min(block, args.m - row),
       args.into);
}

}  // namespace

void Matmul(const CpuContext& context, const MatmulArgs& args) {
  const CpuMatrix& b = CpuMatrixOf(*args.b);
  const int64_t panels = static_cast<int64_t>(b.panels.size());
  const int64_t enough = 4 * context.pool->threads();
  int64_t block = kMaxGemmRows;
  while (block > kMinRows && panels * CeilDiv(args.m, block) < enough &&
         block / 2 * b.k * b.width >= kMinTaskMacs) {
    block /= 2;
  }
  const auto task = [&](int64_t i) { RunTask(args, b, block, i); };
  const int64_t tasks = panels * CeilDiv(args.m, block);
  if (args.m * b.k * b.n < 2 * kMinTaskMacs) {
    for (int64_t i = 0; i < tasks; ++i) task(i);
    return;
  }
  context.pool->For(tasks, task);
}

void MatmulAll(const CpuContext& context,
               absl::Span<const MatmulArgs> products) {
  const auto tasks_of = [&](const MatmulArgs& args, int64_t block) {
    return static_cast<int64_t>(CpuMatrixOf(*args.b).panels.size()) *
           CeilDiv(args.m, block);
  };
  // One size of blocks for all, chosen as in Matmul.
  const int64_t enough = 4 * context.pool->threads();
  int64_t block = kMaxGemmRows;
  int64_t macs = 0;
  const auto tasks = [&] {
    int64_t count = 0;
    for (const MatmulArgs& args : products) count += tasks_of(args, block);
    return count;
  };
  for (const MatmulArgs& args : products) {
    macs += args.m * args.b->k() * args.b->n();
  }
  while (block > kMinRows && tasks() < enough &&
         macs / enough >= kMinTaskMacs) {
    block /= 2;
  }
  if (macs < 2 * kMinTaskMacs) {
    for (const MatmulArgs& args : products) {
      const CpuMatrix& b = CpuMatrixOf(*args.b);
      for (int64_t i = 0; i < tasks_of(args, block); ++i) {
        RunTask(args, b, block, i);
      }
    }
    return;
  }
  std::vector<int64_t> begins = {0};  // The first task of each product.
  for (const MatmulArgs& args : products) {
    begins.push_back(begins.back() + tasks_of(args, block));
  }
  context.pool->For(begins.back(), [&](int64_t i) {
    const auto next = std::upper_bound(begins.begin(), begins.end(), i);
    const size_t at = static_cast<size_t>(next - begins.begin()) - 1;
    RunTask(products[at], CpuMatrixOf(*products[at].b), block, i - begins[at]);
  });
}

namespace {

// The most rows that one kernel call sums. Longer pieces are hardly faster, and
// each size is one more kernel to compile.
constexpr int64_t kMaxPieceRows = 1024;

// The last rows (m % kGradWeightStep) of both factors, padded with zeros.
struct Tail {
  Buffer dy, x;
};

Tail PadTail(const MatmulGradWeightArgs& a, int64_t begin) {
  const auto padded = [&](const void* from, int64_t cols) {
    const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
    Buffer out(static_cast<size_t>(kGradWeightStep * cols * size));
    const size_t used = static_cast<size_t>((a.m - begin) * cols * size);
    std::memcpy(out.data(), ElementAt(from, begin * cols, a.dtype), used);
    std::memset(out.data() + used, 0,
                static_cast<size_t>(kGradWeightStep * cols * size) - used);
    return out;
  };
  return {padded(a.dy, a.n), padded(a.x, a.k)};
}

// The number of rows of dw in a task. Wide tasks are faster (measured: 128 rows
// by a quarter over 32), and an even number of them balances better on an even
// number of threads.
int64_t GradWidth(int64_t n) {
  int64_t panels = CeilDiv(n, n >= 512 ? 128 : 64);
  panels += panels % 2;
  return RoundUp(CeilDiv(n, panels), 32);
}

// A product cut into tasks of some rows of dw each. REQUIRES: m > 0.
class GradWeightTasks {
 public:
  explicit GradWeightTasks(const MatmulGradWeightArgs& args)
      : args_(args),
        width_(GradWidth(args.n)),
        tail_begin_(args.m / kGradWeightStep * kGradWeightStep),
        pieces_(GradWeightPieces(args.m)) {
    if (tail_begin_ < args.m) tail_ = PadTail(args, tail_begin_);
  }

  int64_t size() const { return CeilDiv(args_.n, width_); }
  RowRange RowsOf(int64_t task) const {
    const int64_t first = task * width_;
    return {first, std::min(width_, args_.n - first)};
  }

  void Run(int64_t task) const {
    const RowRange rows = RowsOf(task);
    GradWeightPanel panel{};
    panel.stride_dy = args_.n;
    panel.dw = args_.dw + rows.first * args_.k;
    panel.n = rows.count;
    panel.k = args_.k;
    panel.dtype = args_.dtype;
    panel.into = Into::kOverwrite;
    int64_t begin = 0;
    for (const int64_t piece : pieces_) {
      const bool is_tail = begin == tail_begin_;
      panel.m = piece;
      panel.dy = is_tail ? ElementAt(tail_.dy.data(), rows.first, args_.dtype)
                         : ElementAt(args_.dy, begin * args_.n + rows.first,
                                     args_.dtype);
      panel.x = is_tail ? tail_.x.data()
                        : ElementAt(args_.x, begin * args_.k, args_.dtype);
      GemmGradWeight(panel);
      panel.into = Into::kAdd;
      begin += piece;
    }
  }

 private:
  const MatmulGradWeightArgs& args_;
  const int64_t width_, tail_begin_;
  const std::vector<int64_t> pieces_;
  Tail tail_;
};

}  // namespace

std::vector<int64_t> GradWeightPieces(int64_t m) {
  std::vector<int64_t> pieces;
  const int64_t whole = m / kGradWeightStep * kGradWeightStep;
  for (int64_t begin = 0; begin < whole; begin += pieces.back()) {
    pieces.push_back(std::min(kMaxPieceRows, whole - begin));
  }
  if (whole < m) pieces.push_back(kGradWeightStep);
  return pieces;
}

void MatmulGradWeight(const CpuContext& context,
                      const MatmulGradWeightArgs& args) {
  if (args.m == 0) {
    std::fill_n(args.dw, args.n * args.k, 0.f);
    return;
  }
  const GradWeightTasks tasks(args);
  context.pool->For(tasks.size(), [&](int64_t i) { tasks.Run(i); });
}

std::vector<RowRange> SampleGradWeight(const CpuContext& context,
                                       const MatmulGradWeightArgs& args) {
  std::vector<RowRange> sampled;
  if (args.m == 0) return sampled;
  const GradWeightTasks tasks(args);
  // All tasks but the last have the same width.
  const int64_t last = tasks.size() - 1;
  const int64_t count =
      tasks.RowsOf(last).count == tasks.RowsOf(0).count ? 1 : 2;
  context.pool->For(count, [&](int64_t i) { tasks.Run(i * last); });
  for (int64_t i = 0; i < count; ++i) sampled.push_back(tasks.RowsOf(i * last));
  return sampled;
}

}  // namespace aha::ops
