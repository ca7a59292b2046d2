#include <gnu/libc-version.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "device/isa.h"
#include "dnnl.h"
#include "model/certifier.h"
#include "model/kv_cache.h"
#include "ops/attention.h"
#include "ops/head.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace aha {
namespace {

// Batches to try.  A product has a kernel of its own for every number of rows
// up to 64 (ops/gemm.h), and cuts more rows into those.
std::vector<int64_t> Batches(int64_t most) {
  std::vector<int64_t> batches(64);
  std::iota(batches.begin(), batches.end(), 1);
  batches.insert(batches.end(), {100, most});
  return batches;
}

}  // namespace

std::vector<float> Certifier::RandomFloats(int64_t count, float scale) {
  const RandomKey key(1, RandomPurpose::kTest, ++stream_);
  std::vector<float> values(static_cast<size_t>((count + 3) / 4 * 4));
  for (size_t i = 0; i < values.size(); i += 4) {
    const Philox4x32 block = key.Block(i / 4);
    for (size_t j = 0; j < 4; ++j) {
      values[i + j] =
          static_cast<float>(static_cast<int32_t>(block[j])) * 0x1p-31f * scale;
    }
  }
  values.resize(static_cast<size_t>(count));
  return values;
}

std::vector<char> Certifier::Random(int64_t count, float scale) {
  const std::vector<float> values = RandomFloats(count, scale);
  std::vector<char> bytes(values.size() * SizeOf(dtype_));
  for (int64_t i = 0; i < count; ++i) {
    StoreElement(bytes.data(), i, values[static_cast<size_t>(i)], dtype_);
  }
  return bytes;
}

absl::Status Certifier::Check(const std::string& name, int64_t row_bytes,
                              Which which, const Kernel& kernel) {
  std::vector<char> want(static_cast<size_t>(kRows * row_bytes));
  std::vector<char> got(want.size());
  kernel(one(), kRows, want.data());
  hasher_.String(name);
  hasher_.Raw(want.data(), want.size());
  for (ThreadPool* pool : {&one_, &many_}) {
    for (const int64_t m : Batches(kRows)) {
      std::fill(got.begin(), got.end(), '\0');
      kernel({pool}, m, got.data());
      const char* rows =
          want.data() + (which == Which::kFirst ? 0 : (kRows - m) * row_bytes);
      if (std::memcmp(rows, got.data(), static_cast<size_t>(m * row_bytes)) ==
          0) {
        continue;
      }
      return absl::FailedPreconditionError(
          absl::StrCat("certificate: ", name,
                       ": a row's bits must not depend on its batch, "
                       "found a batch of ",
                       m, " rows on ", pool->threads(),
                       " threads to differ from one of ", kRows, " on 1"));
    }
  }
  return absl::OkStatus();
}

// Into::kAdd has ways of its own (ops/gemm.cc), and is the residual stream's.
absl::Status Certifier::CheckMatmul(int64_t k, int64_t n, ops::Into into) {
  AHA_ASSIGN_OR_RETURN(ops::PackedMatrix b,
                       ops::PackedMatrix::Create(one(), k, n, dtype_));
  b.Pack(one(), Random(n * k, 0.1f).data(),
         ops::PackedMatrix::Source::kTransposed);
  const std::vector<char> x = Random(kRows * k, 1);
  const bool add = into == ops::Into::kAdd;
  const std::vector<float> before = RandomFloats(add ? kRows * n : 0, 1);
  return Check(
      absl::StrCat("matmul k=", k, " n=", n, add ? ", added" : ""), 4 * n,
      Which::kFirst, [&](const ops::CpuContext& cpu, int64_t m, void* out) {
        float* y = static_cast<float*>(out);
        if (add) std::copy_n(before.data(), m * n, y);
        ops::Matmul(cpu,
                    {.x = x.data(), .b = &b, .y = y, .m = m, .into = into});
      });
}

absl::Status Certifier::CheckMatmuls() {
  const int64_t hidden = config_.hidden_size;
  const int64_t inner = config_.intermediate_size;
  const int64_t q = config_.num_attention_heads * config_.head_dim;
  const int64_t kv = config_.num_key_value_heads * config_.head_dim;
  const std::pair<int64_t, int64_t> shapes[] = {
      {hidden, q + 2 * kv}, {q, hidden}, {hidden, 2 * inner}, {inner, hidden},
      {q + 2 * kv, hidden}, {hidden, q}, {2 * inner, hidden}, {hidden, inner}};
  for (const auto& [k, n] : shapes) {
    AHA_RETURN_IF_ERROR(CheckMatmul(k, n, ops::Into::kOverwrite));
  }
  AHA_RETURN_IF_ERROR(CheckMatmul(q, hidden, ops::Into::kAdd));
  return CheckMatmul(inner, hidden, ops::Into::kAdd);
}

absl::Status Certifier::CheckNorm() {
  const int64_t hidden = config_.hidden_size;
  const std::vector<float> x = RandomFloats(kRows * hidden, 1);
  const std::vector<float> gamma = RandomFloats(hidden, 1);
  return Check("rms_norm", hidden * size_, Which::kFirst,
               [&](const ops::CpuContext& cpu, int64_t m, void* out) {
                 ops::RmsNorm(cpu,
                              {.x = x.data(),
                               .gamma = gamma.data(),
                               .y = out,
                               .inv_rms = nullptr,
                               .rows = m,
                               .cols = hidden,
                               .eps = static_cast<float>(config_.rms_norm_eps),
                               .dtype = dtype_});
               });
}

absl::Status Certifier::CheckSwiGlu() {
  const int64_t inner = config_.intermediate_size;
  const std::vector<float> gate_up = RandomFloats(kRows * 2 * inner, 4);
  return Check("swiglu", inner * size_, Which::kFirst,
               [&](const ops::CpuContext& cpu, int64_t m, void* out) {
                 ops::SwiGlu(cpu, {.gate_up = gate_up.data(),
                                   .y = out,
                                   .rows = m,
                                   .cols = inner,
                                   .dtype = dtype_});
               });
}

// Rows of one sequence as a chunk of it, and each as if it were decoded.
absl::Status Certifier::CheckAttention() {
  const int64_t q_width = config_.num_attention_heads * config_.head_dim;
  const int64_t kv_width = config_.num_key_value_heads * config_.head_dim;
  std::vector<int32_t> blocks;
  for (int32_t b = kRows / ops::kBlockTokens; b-- > 0;) blocks.push_back(b);
  AHA_ASSIGN_OR_RETURN(
      KvCache cache,
      KvCache::Create(config_, dtype_, static_cast<int64_t>(blocks.size())));
  const auto rows_at = [&](int64_t position, int64_t first, int64_t rows) {
    return ops::SequenceRows{.blocks = blocks.data(),
                             .first_row = first,
                             .rows = rows,
                             .first_position = position};
  };
  const ops::SequenceRows all = rows_at(0, 0, kRows);
  const std::vector<float> kv = RandomFloats(kRows * 2 * kv_width, 2);
  ops::KvStore(one(), {.k = kv.data(),
                       .v = kv.data() + kv_width,
                       .row_stride = 2 * kv_width,
                       .cache = cache.Layer(0),
                       .sequences = {&all, 1}});
  const std::vector<float> q = RandomFloats(kRows * q_width, 2);
  const auto attend = [&](const ops::CpuContext& cpu, int64_t m,
                          absl::Span<const ops::SequenceRows> sequences,
                          void* out) {
    ops::Attention(cpu, {.q = q.data() + (kRows - m) * q_width,
                         .row_stride = q_width,
                         .cache = cache.Layer(0),
                         .sequences = sequences,
                         .heads = config_.num_attention_heads,
                         .scale = 0.2f,
                         .out = out,
                         .log_sum_exp = nullptr});
  };
  AHA_RETURN_IF_ERROR(
      Check("attention", q_width * size_, Which::kLast,
            [&](const ops::CpuContext& cpu, int64_t m, void* out) {
              const ops::SequenceRows chunk = rows_at(kRows - m, 0, m);
              attend(cpu, m, {&chunk, 1}, out);
            }));
  // kRows rows are the chunk again, so both ways are held to the same bits.
  return Check("attention of single rows", q_width * size_, Which::kLast,
               [&](const ops::CpuContext& cpu, int64_t m, void* out) {
                 std::vector<ops::SequenceRows> single;
                 for (int64_t i = 0; i < m; ++i) {
                   single.push_back(rows_at(kRows - m + i, i, 1));
                 }
                 if (m == kRows) single = {all};
                 attend(cpu, m, single, out);
               });
}

ModelConfig Certifier::Small() const {
  ModelConfig small = config_;
  small.num_hidden_layers = 1;
  small.vocab_size = std::min(
      config_.vocab_size, ops::kHeadTile + config_.vocab_size % ops::kHeadTile);
  if (small.vocab_size < 2) small.vocab_size = config_.vocab_size;
  small.max_position_embeddings =
      std::min<int64_t>(config_.max_position_embeddings, kRows);
  small.bos_token_id = -1;
  small.eos_token_ids.clear();
  return small;
}

// Both users of the head must agree, too.
absl::Status Certifier::CheckHead() {
  const ModelConfig small = Small();
  const int64_t hidden = small.hidden_size;
  const int64_t vocab = small.vocab_size;
  AHA_ASSIGN_OR_RETURN(ops::PackedHead head,
                       ops::PackedHead::Create(one(), vocab, hidden, dtype_));
  head.Pack(one(), Random(vocab * hidden, 0.2f).data());
  const std::vector<char> x = Random(kRows * hidden, 1);
  std::vector<int32_t> tokens(kRows);
  std::vector<float> logprobs(kRows);
  std::vector<ops::DrawArgs> draws;
  for (uint64_t i = 0; i < kRows; ++i) {
    draws.push_back({.key = RandomKey(2, RandomPurpose::kTest, i)});
  }
  AHA_RETURN_IF_ERROR(
      Check("head, sampling", 4, Which::kFirst,
            [&](const ops::CpuContext& cpu, int64_t m, void* out) {
              ops::HeadSample(cpu, {.x = x.data(),
                                    .head = &head,
                                    .rows = m,
                                    .draws = absl::MakeConstSpan(draws).subspan(
                                        0, static_cast<size_t>(m)),
                                    .tokens = static_cast<int32_t*>(out),
                                    .logprobs = logprobs.data()});
              if (m == kRows) {
                std::memcpy(tokens.data(), out, tokens.size() * 4);
              }
            }));
  const std::vector<float> sampled = logprobs;
  AHA_RETURN_IF_ERROR(
      Check("head, scoring", 4, Which::kFirst,
            [&](const ops::CpuContext& cpu, int64_t m, void* out) {
              ops::HeadScore(cpu, {.x = x.data(),
                                   .head = &head,
                                   .rows = m,
                                   .tokens = tokens.data(),
                                   .temperature = 1,
                                   .logprobs = static_cast<float*>(out),
                                   .entropies = nullptr,
                                   .log_sum_exp = nullptr});
              if (m == kRows) std::memcpy(logprobs.data(), out, kRows * 4);
            }));
  if (std::memcmp(sampled.data(), logprobs.data(), kRows * 4) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "certificate: head: sampling and scoring must give a token the same "
      "log-probability, found others");
}

absl::StatusOr<KernelCertificate> Certifier::Run() {
  AHA_RETURN_IF_ERROR(CheckMatmuls());
  AHA_RETURN_IF_ERROR(CheckNorm());
  AHA_RETURN_IF_ERROR(CheckSwiGlu());
  AHA_RETURN_IF_ERROR(CheckAttention());
  AHA_RETURN_IF_ERROR(CheckHead());
  AHA_RETURN_IF_ERROR(CheckWeightGradients());
  AHA_RETURN_IF_ERROR(CheckGradients());
  const dnnl_version_t* version = dnnl_version();
  KernelCertificate certificate;
  certificate.numeric_class = absl::StrCat(
      dtype_ == DType::kBf16 ? "bf16 " : "fp32 ",
      ops::NameOf(ops::CurrentIsa()), " | oneDNN ", version->major, ".",
      version->minor, ".", version->patch, " | glibc ", gnu_get_libc_version());
  hasher_.String(certificate.numeric_class);
  certificate.digest = hasher_.Finish().Hex();
  return certificate;
}

absl::StatusOr<KernelCertificate> Certify(const ModelConfig& config,
                                          DType dtype, int threads) {
  AHA_RETURN_IF_ERROR(config.Validate());
  if (threads < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads must be at least 1, found ", threads));
  }
  return Certifier(config, dtype, threads).Run();
}

}  // namespace aha
