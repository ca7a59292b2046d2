#include <gnu/libc-version.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "device/device.h"
#include "model/certifier.h"
#include "model/families/family.h"
#include "ops/expert_rows.h"
#include "ops/head.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"
#include "ops/route.h"
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
      kernel(ops::ContextOf(device_, pool), m, got.data());
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

absl::Status Certifier::CheckProduct(const ProductShape& shape) {
  AHA_RETURN_IF_ERROR(CheckMatmul(shape.in, shape.out, ops::Into::kOverwrite));
  if (shape.into == ops::Into::kAdd) {
    AHA_RETURN_IF_ERROR(CheckMatmul(shape.in, shape.out, ops::Into::kAdd));
  }
  AHA_RETURN_IF_ERROR(CheckMatmul(shape.out, shape.in, ops::Into::kOverwrite));
  return CheckWeightGradient(shape.out, shape.in);
}

// Into::kAdd is the residual stream's, and has code of its own (ops/gemm.cc).
absl::Status Certifier::CheckMatmul(int64_t k, int64_t n, ops::Into into) {
  const bool add = into == ops::Into::kAdd;
  const std::string name =
      absl::StrCat("matmul k=", k, " n=", n, add ? ", added" : "");
  if (!IsNew(name)) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(ops::PackedMatrix b,
                       ops::PackedMatrix::Create(one(), k, n, dtype_));
  b.Pack(one(), Random(n * k, 0.1f).data(),
         ops::PackedMatrix::Source::kTransposed);
  const std::vector<char> x = Random(kRows * k, 1);
  const std::vector<float> before = RandomFloats(add ? kRows * n : 0, 1);
  return Check(name, 4 * n, Which::kFirst,
               [&](const ops::Context& device, int64_t m, void* out) {
                 float* y = static_cast<float*>(out);
                 if (add) std::copy_n(before.data(), m * n, y);
                 ops::Matmul(
                     device,
                     {.x = x.data(), .b = &b, .y = y, .m = m, .into = into});
               });
}

absl::Status Certifier::CheckNorm(int64_t cols, double epsilon) {
  const std::string name = absl::StrCat("rms_norm n=", cols);
  if (!IsNew(name)) return absl::OkStatus();
  const std::vector<float> x = RandomFloats(kRows * cols, 1);
  const std::vector<float> gamma = RandomFloats(cols, 1);
  return Check(name, cols * static_cast<int64_t>(SizeOf(dtype_)), Which::kFirst,
               [&](const ops::Context& device, int64_t m, void* out) {
                 ops::RmsNorm(device, {.x = x.data(),
                                       .gamma = gamma.data(),
                                       .y = out,
                                       .inv_rms = nullptr,
                                       .rows = m,
                                       .cols = cols,
                                       .eps = static_cast<float>(epsilon),
                                       .dtype = dtype_});
               });
}

absl::Status Certifier::CheckAddedNorm(int64_t cols, double epsilon) {
  const std::string name = absl::StrCat("rms_norm n=", cols, ", added");
  if (!IsNew(name)) return absl::OkStatus();
  const std::vector<float> x = RandomFloats(kRows * cols, 1);
  const std::vector<float> gamma = RandomFloats(cols, 1);
  const std::vector<float> before = RandomFloats(kRows * cols, 1);
  return Check(name, 4 * cols, Which::kFirst,
               [&](const ops::Context& device, int64_t m, void* out) {
                 std::copy_n(before.data(), m * cols, static_cast<float*>(out));
                 ops::RmsNorm(device, {.x = x.data(),
                                       .gamma = gamma.data(),
                                       .y = out,
                                       .inv_rms = nullptr,
                                       .rows = m,
                                       .cols = cols,
                                       .eps = static_cast<float>(epsilon),
                                       .dtype = DType::kF32,
                                       .add = true});
               });
}

absl::Status Certifier::CheckGatedUnit(int64_t cols, ops::Gate gate) {
  const std::vector<float> gate_up = RandomFloats(kRows * 2 * cols, 4);
  return Check(gate == ops::Gate::kSilu ? "swiglu" : "geglu",
               cols * static_cast<int64_t>(SizeOf(dtype_)), Which::kFirst,
               [&](const ops::Context& device, int64_t m, void* out) {
                 ops::SwiGlu(device, {.gate_up = gate_up.data(),
                                      .y = out,
                                      .rows = m,
                                      .cols = cols,
                                      .dtype = dtype_,
                                      .gate = gate});
               });
}

// What an expert makes of a row is a function of both alone here; the products
// are checked by themselves.
absl::Status Certifier::CheckExperts(const ExpertsShape& shape) {
  const auto [hidden, experts, active, weights] = shape;
  const std::vector<float> logits = RandomFloats(kRows * experts, 4);
  const std::vector<float> outputs = RandomFloats(kRows * active * hidden, 1);
  return Check(
      absl::StrCat("experts n=", experts, " k=", active), 4 * hidden,
      Which::kFirst, [&](const ops::Context& device, int64_t m, void* out) {
        std::vector<int32_t> chosen(static_cast<size_t>(m * active));
        std::vector<int32_t> slots(chosen.size()), pairs(chosen.size());
        std::vector<int64_t> begins(static_cast<size_t>(experts) + 1);
        std::vector<float> of_pairs(chosen.size());
        std::vector<float> by_slot(chosen.size() * static_cast<size_t>(hidden));
        ops::Route(device, {.logits = logits.data(),
                            .chosen = chosen.data(),
                            .weights = of_pairs.data(),
                            .rows = m,
                            .experts = experts,
                            .active = active,
                            .rule = weights});
        ops::GroupByExpert(device, {.chosen = chosen.data(),
                                    .slots = slots.data(),
                                    .pairs = pairs.data(),
                                    .begins = begins.data(),
                                    .rows = m,
                                    .experts = experts,
                                    .active = active});
        ops::GatherRows(device, {.from = outputs.data(),
                                 .index = pairs.data(),
                                 .divisor = 1,
                                 .to = by_slot.data(),
                                 .rows = m * active,
                                 .row_bytes = 4 * hidden});
        std::memset(out, 0, static_cast<size_t>(m * hidden) * sizeof(float));
        ops::CombineRows(device, {.x = by_slot.data(),
                                  .slots = slots.data(),
                                  .weights = of_pairs.data(),
                                  .y = static_cast<float*>(out),
                                  .rows = m,
                                  .active = active,
                                  .cols = hidden});
      });
}

absl::Status Certifier::CheckBlocks() {
  std::set<std::string> names;
  for (const LayerSpec& layer : FamilyOf(config_).layers(config_)) {
    for (const auto& spec : layer) {
      // Equal blocks have equal kernels.
      if (!names.insert(spec->Name()).second) continue;
      AHA_RETURN_IF_ERROR(spec->Certify(this));
    }
  }
  return absl::OkStatus();
}

ModelConfig Certifier::Small() const {
  ModelConfig small = config_;
  small.sliding_layers.clear();
  small.sparse_layers.clear();
  small.num_hidden_layers = 0;
  std::set<std::pair<bool, bool>> kinds;
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    const bool sliding = config_.sliding(i), sparse = config_.sparse(i);
    if (!kinds.insert({sliding, sparse}).second) continue;
    ++small.num_hidden_layers;
    if (!config_.sliding_layers.empty())
      small.sliding_layers.push_back(sliding);
    if (!config_.sparse_layers.empty()) small.sparse_layers.push_back(sparse);
  }
  if (!config_.sliding_layers.empty()) {
    // Short enough to hide keys of the sequences that are tried.
    small.sliding_window = std::min<int64_t>(config_.sliding_window, 17);
  }
  // The router's product and the choice were checked in their own size.
  small.num_experts =
      std::min(config_.num_experts, config_.num_experts_per_tok + 4);
  small.vocab_size = std::min(
      config_.vocab_size, ops::kHeadTile + config_.vocab_size % ops::kHeadTile);
  if (small.vocab_size < 2) small.vocab_size = config_.vocab_size;
  small.max_position_embeddings =
      std::min<int64_t>(config_.max_position_embeddings, kRows);
  small.bos_token_id = -1;
  small.eos_token_ids.clear();
  return small;
}

// The two users of the head must agree, too.
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
  AHA_RETURN_IF_ERROR(Check(
      "head, sampling", 4, Which::kFirst,
      [&](const ops::Context& device, int64_t m, void* out) {
        ops::HeadSample(device, {.x = x.data(),
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
            [&](const ops::Context& device, int64_t m, void* out) {
              ops::HeadScore(device, {.x = x.data(),
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
  AHA_RETURN_IF_ERROR(CheckBlocks());
  AHA_RETURN_IF_ERROR(CheckHead());
  AHA_RETURN_IF_ERROR(CheckHeadWeightGradients());
  AHA_RETURN_IF_ERROR(CheckGradients());
  KernelCertificate certificate;
  certificate.numeric_class = absl::StrCat(
      dtype_ == DType::kBf16 ? "bf16 " : "fp32 ", ops::NumericClassOf(device_),
      " | glibc ", gnu_get_libc_version());
  hasher_.String(certificate.numeric_class);
  certificate.digest = hasher_.Finish().Hex();
  return certificate;
}

absl::StatusOr<KernelCertificate> Certify(const ModelConfig& config,
                                          DType dtype, ops::Device device,
                                          int threads) {
  AHA_RETURN_IF_ERROR(config.Validate());
  if (threads < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads must be at least 1, found ", threads));
  }
  return Certifier(config, dtype, device, threads).Run();
}

}  // namespace aha
