#include "ops/attention.h"

#include <cmath>
#include <tuple>
#include <vector>

#include "base/ceil_div.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

struct Shape {
  int64_t heads, kv_heads, dim;
};

void PrintTo(const Shape& s, std::ostream* out) {
  *out << s.heads << " on " << s.kv_heads << " heads of " << s.dim;
}

// Sequences of given lengths over a cache whose blocks are in no order.
class Batch {
 public:
  Batch(Shape shape, std::vector<int64_t> lengths, DType dtype)
      : shape_(shape), dtype_(dtype), lengths_(std::move(lengths)) {
    for (const int64_t length : lengths_) rows_ += length;
    int64_t blocks = 0;
    for (const int64_t length : lengths_) {
      blocks += CeilDiv(length, kBlockTokens);
    }
    int32_t next = static_cast<int32_t>(blocks);
    for (const int64_t length : lengths_) {
      tables_.emplace_back();
      for (int64_t p = 0; p < length; p += kBlockTokens) {
        tables_.back().push_back(--next);
      }
    }
    stride_ = (shape.heads + 2 * shape.kv_heads) * shape.dim;
    qkv_ = Normal(rows_ * stride_, 1);
    const int64_t cache = blocks * shape.kv_heads * kBlockTokens * shape.dim;
    // Garbage where nothing was stored must not reach any result.
    const std::vector<float> garbage(cache, NAN);
    k_ = std::make_unique<Tensor>(garbage, dtype);
    v_ = std::make_unique<Tensor>(garbage, dtype);
  }

  int64_t rows() const { return rows_; }
  int64_t out_size() const { return rows_ * shape_.heads * shape_.dim; }
  int64_t lse_size() const { return rows_ * shape_.heads; }
  std::vector<float>& qkv() { return qkv_; }

  KvBlocks Cache() {
    return {k_->data(), v_->data(), shape_.kv_heads, shape_.dim, dtype_};
  }
  // Whole sequences, one after the other.
  std::vector<SequenceRows> Whole() const { return Chunk(0, rows_); }
  // Positions [begin, end) of every sequence (as far as it has them).
  std::vector<SequenceRows> Chunk(int64_t begin, int64_t end) const {
    std::vector<SequenceRows> out;
    int64_t first = 0;
    for (size_t s = 0; s < lengths_.size(); ++s) {
      const int64_t last = std::min(end, lengths_[s]);
      if (begin < last) {
        out.push_back({tables_[s].data(), first + begin, last - begin, begin});
      }
      first += lengths_[s];
    }
    return out;
  }
  KvStoreArgs Store(const std::vector<SequenceRows>& sequences) {
    const int64_t q_size = shape_.heads * shape_.dim;
    return {&qkv_[q_size], &qkv_[q_size + shape_.kv_heads * shape_.dim],
            stride_, Cache(), sequences};
  }
  // Of Args and Grad.
  int64_t window = 0;

  AttentionArgs Args(const std::vector<SequenceRows>& sequences, void* out,
                     float* lse) {
    return {qkv_.data(), stride_, Cache(), sequences, shape_.heads,
            Scale(),     out,     lse,     window};
  }
  AttentionGradArgs Grad(const std::vector<SequenceRows>& sequences,
                         const void* out, const float* lse, const float* dout,
                         float* dqkv) {
    const int64_t q_size = shape_.heads * shape_.dim;
    return {qkv_.data(),   stride_,
            Cache(),       sequences,
            shape_.heads,  Scale(),
            out,           lse,
            dout,          dqkv,
            dqkv + q_size, dqkv + q_size + shape_.kv_heads * shape_.dim,
            window};
  }

 private:
  float Scale() const { return 1 / std::sqrt(static_cast<float>(shape_.dim)); }

  Shape shape_;
  DType dtype_;
  std::vector<int64_t> lengths_;
  int64_t rows_ = 0, stride_ = 0;
  std::vector<std::vector<int32_t>> tables_;
  std::vector<float> qkv_;
  std::unique_ptr<Tensor> k_, v_;
};

struct Result {
  Result(const Batch& p, DType dtype)
      : out(p.out_size(), dtype), lse(p.lse_size()) {}
  Tensor out;
  std::vector<float> lse;
};

class AttentionTest
    : public ::testing::TestWithParam<std::tuple<Shape, DType, Device>> {
 protected:
  const Shape shape_ = std::get<0>(GetParam());
  const DType dtype_ = std::get<1>(GetParam());
  Machine machine_{std::get<2>(GetParam())};
  const Context context_ = machine_.context();
};

// Every width that has its own code, and one that has not.
INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionTest,
    ::testing::Combine(::testing::Values(Shape{1, 1, 1}, Shape{4, 2, 8},
                                         Shape{3, 3, 16}, Shape{4, 4, 32},
                                         Shape{6, 2, 64}, Shape{2, 1, 100},
                                         Shape{2, 1, 128}),
                       ::testing::Values(DType::kF32, DType::kBf16),
                       AllDevices()));

TEST_P(AttentionTest, AgreesWithReference) {
  Batch p(shape_, {1, 33, 70, 16, 32}, dtype_);
  KvStore(context_, p.Store(p.Whole()));
  Result want(p, dtype_), got(p, dtype_);
  Attention(ReferenceContext{},
            p.Args(p.Whole(), want.out.data(), want.lse.data()));
  Attention(context_, p.Args(p.Whole(), got.out.data(), got.lse.data()));
  ExpectNear(got.out.Floats(), want.out.Floats(), ToleranceOf(dtype_).row);
  ExpectNear(got.lse, want.lse, ToleranceOf(DType::kF32).row);
}

TEST_P(AttentionTest, StoreIsTheReferencesBitForBit) {
  Batch a(shape_, {5, 40}, dtype_), b(shape_, {5, 40}, dtype_);
  KvStore(ReferenceContext{}, a.Store(a.Whole()));
  KvStore(context_, b.Store(b.Whole()));
  const size_t bytes =
      static_cast<size_t>(3 * shape_.kv_heads * kBlockTokens * shape_.dim) *
      SizeOf(dtype_);
  EXPECT_EQ(std::memcmp(a.Cache().k, b.Cache().k, bytes), 0);
  EXPECT_EQ(std::memcmp(a.Cache().v, b.Cache().v, bytes), 0);
}

TEST_P(AttentionTest, DecodePrefillAndTrainingGiveTheSameBits) {
  const std::vector<int64_t> lengths = {70, 3, 100, 31};
  Batch whole(shape_, lengths, dtype_);
  KvStore(context_, whole.Store(whole.Whole()));
  Result want(whole, dtype_);
  Attention(context_,
            whole.Args(whole.Whole(), want.out.data(), want.lse.data()));
  const std::vector<Context> contexts = machine_.contexts();
  size_t turn = 0;
  for (const int64_t chunk : {1, 2, 5, 16, 17, 32, 45, 64, 200}) {
    Batch p(shape_, lengths, dtype_);
    Result got(p, dtype_);
    const Context& context = contexts[turn++ % contexts.size()];
    for (int64_t begin = 0; begin < 100; begin += chunk) {
      const auto rows = p.Chunk(begin, begin + chunk);
      KvStore(context, p.Store(rows));
      Attention(context, p.Args(rows, got.out.data(), got.lse.data()));
    }
    ASSERT_EQ(std::memcmp(got.out.data(), want.out.data(),
                          p.out_size() * SizeOf(dtype_)),
              0)
        << chunk;
    ASSERT_EQ(DifferingBits(got.lse.data(), want.lse.data(), p.lse_size()), 0)
        << chunk;
  }
}

// Windows of one position, within a block, of whole blocks, and longer than the
// sequences.
constexpr int64_t kWindows[] = {1, 2, 15, 16, 17, 32, 33, 64, 90, 1000};

TEST_P(AttentionTest, AWindowAgreesWithReference) {
  for (const int64_t window : kWindows) {
    Batch p(shape_, {1, 33, 100, 16, 32}, dtype_);
    p.window = window;
    KvStore(context_, p.Store(p.Whole()));
    Result want(p, dtype_), got(p, dtype_);
    Attention(ReferenceContext{},
              p.Args(p.Whole(), want.out.data(), want.lse.data()));
    Attention(context_, p.Args(p.Whole(), got.out.data(), got.lse.data()));
    ExpectNear(got.out.Floats(), want.out.Floats(), ToleranceOf(dtype_).row);
    ExpectNear(got.lse, want.lse, ToleranceOf(DType::kF32).row);
  }
}

TEST_P(AttentionTest, AWindowGivesTheSameBitsInChunksOfAnySize) {
  const std::vector<int64_t> lengths = {70, 3, 100, 31};
  for (const int64_t window : kWindows) {
    Batch whole(shape_, lengths, dtype_);
    whole.window = window;
    KvStore(context_, whole.Store(whole.Whole()));
    Result want(whole, dtype_);
    Attention(context_,
              whole.Args(whole.Whole(), want.out.data(), want.lse.data()));
    for (const int64_t chunk : {1, 5, 16, 45, 200}) {
      Batch p(shape_, lengths, dtype_);
      p.window = window;
      Result got(p, dtype_);
      for (int64_t begin = 0; begin < 100; begin += chunk) {
        const auto rows = p.Chunk(begin, begin + chunk);
        KvStore(context_, p.Store(rows));
        Attention(context_, p.Args(rows, got.out.data(), got.lse.data()));
      }
      ASSERT_EQ(std::memcmp(got.out.data(), want.out.data(),
                            p.out_size() * SizeOf(dtype_)),
                0)
          << window << " " << chunk;
      ASSERT_EQ(DifferingBits(got.lse.data(), want.lse.data(), p.lse_size()), 0)
          << window << " " << chunk;
    }
  }
}

TEST_P(AttentionTest, AWindowThatHidesNothingChangesNoBit) {
  Batch p(shape_, {70, 100}, dtype_);
  KvStore(context_, p.Store(p.Whole()));
  Result want(p, dtype_), got(p, dtype_);
  Attention(context_, p.Args(p.Whole(), want.out.data(), want.lse.data()));
  p.window = 100;
  Attention(context_, p.Args(p.Whole(), got.out.data(), got.lse.data()));
  EXPECT_EQ(DifferingBits(got.lse.data(), want.lse.data(), p.lse_size()), 0);
  p.window = 99;  // Hides one key of one row.
  Attention(context_, p.Args(p.Whole(), got.out.data(), got.lse.data()));
  EXPECT_NE(DifferingBits(got.lse.data(), want.lse.data(), p.lse_size()), 0);
}

TEST_P(AttentionTest, TheGradientOfAWindowAgreesWithReference) {
  for (const int64_t window : kWindows) {
    Batch p(shape_, {1, 33, 100}, dtype_);
    p.window = window;
    KvStore(context_, p.Store(p.Whole()));
    Result forward(p, dtype_);
    Attention(context_,
              p.Args(p.Whole(), forward.out.data(), forward.lse.data()));
    const auto dout = Normal(p.out_size(), 7);
    std::vector<float> want(p.qkv().size()), got = want;
    const auto run = [&](const Context& context, std::vector<float>& dqkv) {
      AttentionGrad(context,
                    p.Grad(p.Whole(), forward.out.data(), forward.lse.data(),
                           dout.data(), dqkv.data()));
    };
    run(ReferenceContext{}, want);
    run(context_, got);
    ExpectNear(got, want, ToleranceOf(DType::kF32).gradient, 4);
  }
}

// The comparison above can fail: another scale of rounding size differs.
TEST_P(AttentionTest, NegativeControlOneUlpInAQueryDiffers) {
  Batch p(shape_, {70}, DType::kF32);
  KvStore(context_, p.Store(p.Whole()));
  Result a(p, DType::kF32), b(p, DType::kF32);
  Attention(context_, p.Args(p.Whole(), a.out.data(), a.lse.data()));
  for (float& x : p.qkv()) x = std::nextafter(x, 10.f);
  Attention(context_, p.Args(p.Whole(), b.out.data(), b.lse.data()));
  EXPECT_GT(DifferingBits(a.lse.data(), b.lse.data(), p.lse_size()), 0);
}

TEST_P(AttentionTest, GradAgreesWithReferenceForAnyNumberOfThreads) {
  Batch p(shape_, {1, 33, 70}, dtype_);
  KvStore(context_, p.Store(p.Whole()));
  Result forward(p, dtype_);
  Attention(context_,
            p.Args(p.Whole(), forward.out.data(), forward.lse.data()));
  const auto dout = Normal(p.out_size(), 7);
  std::vector<float> want(p.qkv().size()), got = want, again = want;
  const auto run = [&](const Context& context, std::vector<float>& dqkv) {
    AttentionGrad(context,
                  p.Grad(p.Whole(), forward.out.data(), forward.lse.data(),
                         dout.data(), dqkv.data()));
  };
  run(ReferenceContext{}, want);
  run(context_, got);
  ExpectNear(got, want, ToleranceOf(DType::kF32).gradient, 4);
  for (const Context& context : machine_.contexts()) {
    run(context, again);
    EXPECT_EQ(DifferingBits(got.data(), again.data(),
                            static_cast<int64_t>(got.size())),
              0);
  }
}

class AttentionGradTest : public ::testing::TestWithParam<Device> {
 protected:
  Machine machine_{GetParam()};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Devices, AttentionGradTest, AllDevices());

TEST_P(AttentionGradTest, AgreesWithFiniteDifferences) {
  Batch p({4, 2, 3}, {5, 1}, DType::kF32);
  const auto w = Normal(p.out_size(), 7);
  Result forward(p, DType::kF32);
  const auto objective = [&] {
    KvStore(context_, p.Store(p.Whole()));
    Attention(context_,
              p.Args(p.Whole(), forward.out.data(), forward.lse.data()));
    return Dot(w, forward.out.Floats());
  };
  objective();
  std::vector<float> dqkv(p.qkv().size());
  AttentionGrad(context_, p.Grad(p.Whole(), forward.out.data(),
                                 forward.lse.data(), w.data(), dqkv.data()));
  ExpectGradient(p.qkv(), dqkv, objective);
}

}  // namespace
}  // namespace aha::ops
