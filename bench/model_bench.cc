// Benchmarks decoding and training in tokens per second, with random weights:
//
//   tiny:    hidden 128, 4 layers, vocabulary 110; 512 rows
//   smollm2: SmolLM2-135M's shape; 64 rows
//
// AHA_BENCH_THREADS sets the number of threads (2).

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "benchmark/benchmark.h"
#include "model/backprop.h"
#include "model/generator.h"
#include "model/policy.h"

namespace aha {
namespace {

struct Shape {
  ModelConfig config;
  int32_t rows;        // Sequences that are live at the same time.
  int32_t prompt;      // In tokens.
  int32_t completion;  // In tokens.
  int32_t train_rows;  // Approximate tokens of a micro-batch.
};

Shape Tiny() {
  return {.config = {.hidden_size = 128,
                     .intermediate_size = 384,
                     .num_hidden_layers = 4,
                     .num_attention_heads = 4,
                     .num_key_value_heads = 4,
                     .head_dim = 32,
                     .vocab_size = 110,
                     .max_position_embeddings = 512,
                     .rope_scaling = {},
                     .sliding_layers = {},
                     .sparse_layers = {},
                     .eos_token_ids = {}},
          .rows = 512,
          .prompt = 24,
          .completion = 64,
          .train_rows = 4096};
}

Shape SmolLm2() {
  return {.config = {.hidden_size = 576,
                     .intermediate_size = 1536,
                     .num_hidden_layers = 30,
                     .num_attention_heads = 9,
                     .num_key_value_heads = 3,
                     .head_dim = 64,
                     .vocab_size = 49152,
                     .max_position_embeddings = 2048,
                     .rope_theta = 100000,
                     .rope_scaling = {},
                     .sliding_layers = {},
                     .sparse_layers = {},
                     .eos_token_ids = {}},
          .rows = 64,
          .prompt = 64,
          .completion = 64,
          .train_rows = 1024};
}

// Two models with the same active parameters, the second with 8 experts of
// which a token uses 2: what a mixture of experts costs beside the products.
Shape ActiveDense() {
  Shape shape = SmolLm2();
  shape.config.model_type = "mistral";
  shape.config.num_hidden_layers = 8;
  shape.config.intermediate_size = 2048;
  return shape;
}

Shape ActiveSparse() {
  Shape shape = ActiveDense();
  shape.config.model_type = "mixtral";
  shape.config.intermediate_size = 1024;
  shape.config.moe_intermediate_size = 1024;
  shape.config.num_experts = 8;
  shape.config.num_experts_per_tok = 2;
  shape.config.sparse_layers.assign(8, true);
  return shape;
}

int Threads() {
  const char* text = std::getenv("AHA_BENCH_THREADS");
  return text == nullptr ? 2 : std::max(1, std::atoi(text));
}

struct Machine {
  explicit Machine(const Shape& shape)
      : pool(Threads()),
        layout(std::make_shared<ParameterLayout>(shape.config)) {
    // The weights are uniform: quicker to make than normal ones, and as good
    // here.
    const DType dtype = NativeDType();
    Parameters parameters(layout, dtype);
    uint32_t state = 1;
    for (int64_t i = 0; i < layout->count(); ++i) {
      state = state * 1664525 + 1013904223;
      const float value =
          (static_cast<float>(state >> 8) * 0x1p-24f - 0.5f) * 0.07f;
      StoreElement(parameters.data(), i, value, dtype);
    }
    policy = *Policy::Create(shape.config, dtype, ops::CpuContext{&pool});
    if (!policy->Load(parameters).ok()) std::abort();
  }
  ThreadPool pool;
  std::shared_ptr<const ParameterLayout> layout;
  std::unique_ptr<Policy> policy;
};

std::vector<int32_t> Tokens(uint64_t seed, int32_t count, int64_t vocab) {
  const RandomKey key(seed, RandomPurpose::kTest);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(
        key.Below(static_cast<uint64_t>(i), static_cast<uint32_t>(vocab))));
  }
  return tokens;
}

void Decode(benchmark::State& state, const Shape& shape) {
  Machine machine(shape);
  auto generator =
      *Generator::Create(machine.policy.get(), {.max_rows = shape.rows});
  uint64_t id = 0;
  const auto step = [&] {
    while (generator->live_samples() + generator->queued_samples() <
           shape.rows) {
      GroupRequest request;
      request.id = ++id;
      request.prompt = Tokens(id, shape.prompt, shape.config.vocab_size);
      request.num_samples = 8;
      // The completions have several lengths, so that groups end one after the
      // other.
      request.sampling.max_new_tokens =
          shape.completion / 2 + static_cast<int32_t>(id % 8) * 8;
      if (!generator->Submit(std::move(request)).ok()) std::abort();
    }
    if (!generator->Step().ok()) std::abort();
  };
  step();  // The first step compiles kernels.
  int64_t tokens = 0;
  for (auto _ : state) {
    step();
    tokens += shape.rows;
  }
  state.SetItemsProcessed(tokens);
}

// Returns groups of `samples` sequences each, whose neighbours begin with the
// same prompt.
void Train(benchmark::State& state, const Shape& shape, uint64_t samples) {
  Machine machine(shape);
  auto backprop = *Backprop::Create(machine.policy.get());
  GradientSum sum(machine.layout);
  const int32_t length = shape.prompt + shape.completion;
  const int64_t vocab = shape.config.vocab_size;
  std::vector<TrainSequence> sequences;
  for (uint64_t i = 0; i * length < static_cast<uint64_t>(shape.train_rows);
       ++i) {
    TrainSequence sequence{Tokens(i / samples, shape.prompt, vocab),
                           shape.prompt};
    const auto completion = Tokens(1000 + i, shape.completion, vocab);
    sequence.tokens.insert(sequence.tokens.end(), completion.begin(),
                           completion.end());
    sequences.push_back(std::move(sequence));
  }
  const auto accumulate = [&] {
    const absl::Status status = backprop->Accumulate(
        sequences, 1,
        [](const TargetScores&, absl::Span<float> dloss) {
          for (float& d : dloss) d = 0.001f;
          return absl::OkStatus();
        },
        &sum);
    if (!status.ok()) std::abort();
  };
  accumulate();  // The first call compiles kernels and touches memory.
  int64_t tokens = 0;
  for (auto _ : state) {
    accumulate();
    tokens += static_cast<int64_t>(sequences.size()) * length;
  }
  state.SetItemsProcessed(tokens);
}

BENCHMARK_CAPTURE(Decode, tiny, Tiny())->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(Train, tiny, Tiny(), 1)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Train, tiny_groups_of_16, Tiny(), 16)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Decode, smollm2, SmolLm2())
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Train, smollm2, SmolLm2(), 1)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Train, smollm2_groups_of_8, SmolLm2(), 8)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

BENCHMARK_CAPTURE(Decode, dense_as_active, ActiveDense())
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Decode, sparse_2_of_8, ActiveSparse())
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Train, dense_as_active, ActiveDense(), 8)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(Train, sparse_2_of_8, ActiveSparse(), 8)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void CertifyModel(benchmark::State& state, const Shape& shape) {
  for (auto _ : state) {
    if (!Certify(shape.config, NativeDType(), ops::Device::kCpu, Threads())
             .ok())
      std::abort();
  }
}
BENCHMARK_CAPTURE(CertifyModel, tiny, Tiny())
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(CertifyModel, smollm2, SmolLm2())
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace aha

BENCHMARK_MAIN();
