#include "model/generator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "model/kv_cache.h"
#include "model/transformer.h"
#include "ops/attention.h"
#include "ops/head.h"
#include "tensor/buffer.h"

namespace aha {
namespace {

using ops::kBlockTokens;

constexpr int64_t kMaxKvBlocks = 1 << 24;

int64_t BlocksFor(int64_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens;
}

// A group whose samples are not all alive or done.
struct Group {
  GroupRequest request;
  int64_t max_new_tokens = 0;   // What the context leaves of the request's.
  std::vector<int32_t> blocks;  // The prompt's, until the last sample has them.
  int64_t prefilled = 0;        // Prompt tokens in the cache.
  std::vector<char> hidden;     // What the head reads after the prompt, dtype.
  int32_t admitted = 0;         // Samples made alive so far.
  int32_t unfinished = 0;       // Samples that have not ended.
  int64_t reserved = 0;         // Blocks set aside for the prompt.

  int64_t prompt_length() const {
    return static_cast<int64_t>(request.prompt.size());
  }
  int64_t blocks_per_sample() const {  // Beside the shared ones.
    return BlocksFor(prompt_length() + max_new_tokens) -
           prompt_length() / kBlockTokens;
  }
  int64_t waiting() const { return request.num_samples - admitted; }
};
using GroupPtr = std::shared_ptr<Group>;

// A live sequence.
struct Row {
  GroupPtr group;
  Sample sample;
  std::vector<int32_t> blocks;

  // Of the latest token, which the next pass takes in.
  int64_t position() const {
    return group->prompt_length() + static_cast<int64_t>(sample.tokens.size()) -
           1;
  }
};

absl::Status OutOfRange(absl::string_view field, absl::string_view rule,
                        absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", rule, ", found ", value));
}

// The rows of one forward pass.
struct Pass {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<ops::SequenceRows> sequences;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  void Add(const std::vector<int32_t>& blocks, int64_t first_position,
           absl::Span<const int32_t> more) {
    sequences.push_back({.blocks = blocks.data(),
                         .first_row = rows(),
                         .rows = static_cast<int64_t>(more.size()),
                         .first_position = first_position});
    for (size_t i = 0; i < more.size(); ++i) {
      positions.push_back(static_cast<int32_t>(first_position) +
                          static_cast<int32_t>(i));
    }
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
};

// What a step makes alive: `samples` of a group whose prompt is complete after
// the pass, the prompt's last token standing in `last_row` of it (-1: `hidden`
// is there from an earlier pass).
struct Admission {
  GroupPtr group;
  int64_t samples;
  int64_t last_row;
};

}  // namespace

absl::Status SamplingParams::Validate() const {
  if (temperature != 0 && !(temperature >= 1e-3f && temperature <= 1e3f)) {
    return OutOfRange("temperature", "0 or in [0.001, 1000]",
                      absl::StrCat(temperature));
  }
  if (!(top_p > 0 && top_p <= 1)) {
    return OutOfRange("top_p", "in (0, 1]", absl::StrCat(top_p));
  }
  if (top_k < 0) {
    return OutOfRange("top_k", "at least 0", absl::StrCat(top_k));
  }
  if (max_new_tokens < 1) {
    return OutOfRange("max_new_tokens", "at least 1",
                      absl::StrCat(max_new_tokens));
  }
  return absl::OkStatus();
}

absl::Status GeneratorOptions::Validate() const {
  if (max_rows < 1 || max_rows > 1 << 16) {
    return OutOfRange("max_rows", "in [1, 65536]", absl::StrCat(max_rows));
  }
  if (max_prefill_tokens < 1 || max_prefill_tokens > 1 << 20) {
    return OutOfRange("max_prefill_tokens", "in [1, 1048576]",
                      absl::StrCat(max_prefill_tokens));
  }
  if (max_kv_bytes < 1) {
    return OutOfRange("max_kv_bytes", "at least 1", absl::StrCat(max_kv_bytes));
  }
  return absl::OkStatus();
}

struct Generator::Impl {
  Impl(Policy* policy, const GeneratorOptions& options, KvCache kv)
      : transformer(policy->transformer()),
        options(options),
        cache(std::move(kv)),
        pool(cache.blocks()) {}

  const ModelConfig& config() const { return transformer.config(); }
  int64_t row_bytes() const {
    return config().hidden_size *
           static_cast<int64_t>(SizeOf(transformer.dtype()));
  }

  absl::Status Submit(GroupRequest request);
  absl::StatusOr<std::vector<Sample>> Step();
  void Cancel(uint64_t id);

  void AddLiveRows(Pass* pass);
  std::vector<Admission> PlanAdmissions(Pass* pass);
  void Prefill(Group* group, int64_t budget, Pass* pass);
  void RunPass(const Pass& pass, absl::Span<const Admission> admissions);
  void Admit(const Admission& admission);
  absl::Status Draw();
  std::vector<Sample> TakeFinished();
  bool Ended(const Row& row) const;
  // The row's blocks, and the prompt's reservation with its last sample.
  void Release(Row* row);
  void Forget(Group* group, int64_t samples);

  Transformer& transformer;
  const GeneratorOptions options;
  KvCache cache;
  BlockPool pool;
  // Blocks that live samples and started groups may come to need, at most: a
  // sample is admitted only if every block it may need is there, so a live one
  // never waits for another.
  int64_t reserved = 0;
  std::deque<GroupPtr> queue;  // Only the first may have been started.
  std::vector<Row> rows;
  Buffer head_rows;  // [rows, hidden], dtype: what the head reads.
};

absl::Status Generator::Impl::Submit(GroupRequest request) {
  const std::string who = absl::StrCat("group ", request.id, ": ");
  const int64_t length = static_cast<int64_t>(request.prompt.size());
  const int64_t context = config().max_position_embeddings;
  if (absl::Status status = request.sampling.Validate(); !status.ok()) {
    return absl::Status(status.code(), who + std::string(status.message()));
  }
  if (request.num_samples < 1 || request.num_samples > 1 << 20) {
    return OutOfRange(who + "num_samples", "in [1, 1048576]",
                      absl::StrCat(request.num_samples));
  }
  if (length < 1 || length >= context) {
    return OutOfRange(
        who + "prompt",
        absl::StrCat("1 to ", context - 1,
                     " tokens (max_position_embeddings is ", context, ")"),
        absl::StrCat(length));
  }
  for (const int32_t token : request.prompt) {
    if (token >= 0 && token < config().vocab_size) continue;
    return OutOfRange(who + "prompt",
                      absl::StrCat("token ids below ", config().vocab_size),
                      absl::StrCat(token));
  }
  const auto same = [&](const GroupPtr& g) {
    return g->request.id == request.id;
  };
  if (std::any_of(queue.begin(), queue.end(), same) ||
      std::any_of(rows.begin(), rows.end(),
                  [&](const Row& row) { return same(row.group); })) {
    return absl::AlreadyExistsError(who + "id must be new, and is in use");
  }
  auto group = std::make_shared<Group>();
  group->max_new_tokens =
      std::min<int64_t>(request.sampling.max_new_tokens, context - length);
  group->unfinished = request.num_samples;
  group->request = std::move(request);
  if (BlocksFor(length) + group->blocks_per_sample() > cache.blocks()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        who, "one sample must fit the KV cache of ",
        cache.blocks() * kBlockTokens, " tokens (max_kv_bytes), found ",
        length + group->max_new_tokens));
  }
  queue.push_back(std::move(group));
  return absl::OkStatus();
}

void Generator::Impl::AddLiveRows(Pass* pass) {
  for (Row& row : rows) {
    const int64_t position = row.position();
    if (position / kBlockTokens == static_cast<int64_t>(row.blocks.size())) {
      row.blocks.push_back(pool.Allocate());
    }
    pass->Add(row.blocks, position, {&row.sample.tokens.back(), 1});
  }
}

void Generator::Impl::Prefill(Group* group, int64_t budget, Pass* pass) {
  const int64_t chunk =
      std::min(budget, group->prompt_length() - group->prefilled);
  const int64_t end = group->prefilled + chunk;
  while (static_cast<int64_t>(group->blocks.size()) < BlocksFor(end)) {
    group->blocks.push_back(pool.Allocate());
  }
  pass->Add(group->blocks, group->prefilled,
            absl::MakeConstSpan(group->request.prompt)
                .subspan(static_cast<size_t>(group->prefilled),
                         static_cast<size_t>(chunk)));
  group->prefilled = end;
}

std::vector<Admission> Generator::Impl::PlanAdmissions(Pass* pass) {
  std::vector<Admission> admissions;
  int64_t free_rows = options.max_rows - static_cast<int64_t>(rows.size());
  int64_t budget = options.max_prefill_tokens;
  for (const GroupPtr& group : queue) {
    const int64_t per_sample = group->blocks_per_sample();
    const int64_t prompt =
        group->reserved > 0 ? 0 : BlocksFor(group->prompt_length());
    const int64_t fit =
        std::max<int64_t>(0, cache.blocks() - reserved - prompt) / per_sample;
    const int64_t samples = std::min({free_rows, group->waiting(), fit});
    if (samples == 0) break;
    const bool complete = group->prefilled == group->prompt_length();
    if (!complete && budget == 0) break;
    group->reserved += prompt;
    reserved += prompt;
    if (!complete) {
      const int64_t before = group->prefilled;
      Prefill(group.get(), budget, pass);
      budget -= group->prefilled - before;
      if (group->prefilled < group->prompt_length()) break;
    }
    reserved += samples * per_sample;
    free_rows -= samples;
    admissions.push_back({group, samples, complete ? -1 : pass->rows() - 1});
    // The next group starts when this one is whole, so that no more than one
    // waits with blocks in its hands.
    if (samples < group->waiting()) break;
  }
  return admissions;
}

void Generator::Impl::RunPass(const Pass& pass,
                              absl::Span<const Admission> admissions) {
  int64_t heads = static_cast<int64_t>(rows.size());
  for (const Admission& admission : admissions) heads += admission.samples;
  char* head = head_rows.Get<char>(heads * row_bytes());
  if (pass.rows() == 0) return;
  transformer.Forward({.tokens = pass.tokens,
                       .positions = pass.positions,
                       .sequences = pass.sequences,
                       .cache = &cache});
  // The live rows stand first.
  if (!rows.empty()) {
    transformer.FinalNorm(transformer.x(), static_cast<int64_t>(rows.size()),
                          head, nullptr);
  }
  for (const Admission& admission : admissions) {
    if (admission.last_row < 0) continue;
    admission.group->hidden.resize(static_cast<size_t>(row_bytes()));
    transformer.FinalNorm(
        transformer.x() + admission.last_row * config().hidden_size, 1,
        admission.group->hidden.data(), nullptr);
  }
}

void Generator::Impl::Admit(const Admission& admission) {
  Group& group = *admission.group;
  char* head = head_rows.Get<char>(0);
  const bool whole = group.prompt_length() % kBlockTokens == 0;
  for (int64_t i = 0; i < admission.samples; ++i) {
    std::memcpy(head + static_cast<int64_t>(rows.size()) * row_bytes(),
                group.hidden.data(), group.hidden.size());
    Row row;
    row.group = admission.group;
    row.sample.group = group.request.id;
    row.sample.index = group.admitted++;
    if (group.waiting() == 0) {
      row.blocks = std::exchange(group.blocks, {});
    } else {
      row.blocks = group.blocks;
      for (const int32_t block : row.blocks) pool.Share(block);
      if (!whole) {  // The sample writes into the last one: a copy.
        const int32_t copy = pool.Allocate();
        cache.CopyBlock(row.blocks.back(), copy);
        pool.Release(row.blocks.back());
        row.blocks.back() = copy;
      }
    }
    rows.push_back(std::move(row));
  }
  if (group.waiting() == 0) group.hidden = {};
}

absl::Status Generator::Impl::Draw() {
  std::vector<ops::DrawArgs> draws;
  draws.reserve(rows.size());
  for (const Row& row : rows) {
    const GroupRequest& request = row.group->request;
    const uint64_t position = static_cast<uint64_t>(row.position()) + 1;
    draws.push_back(
        {.key = RandomKey(
             request.key.seed, RandomPurpose::kSampling, request.key.stage,
             request.key.step, request.key.slot,
             static_cast<uint64_t>(row.sample.index) << 32 | position),
         .temperature = request.sampling.temperature,
         .top_p = request.sampling.top_p,
         .top_k = request.sampling.top_k});
  }
  std::vector<int32_t> tokens(rows.size());
  std::vector<float> logprobs(rows.size());
  ops::HeadSample(transformer.context(),
                  {.x = head_rows.Get<char>(0),
                   .head = &transformer.head(),
                   .rows = static_cast<int64_t>(rows.size()),
                   .draws = draws,
                   .tokens = tokens.data(),
                   .logprobs = logprobs.data()});
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!std::isfinite(logprobs[i])) {
      return absl::InternalError(absl::StrCat(
          "group ", rows[i].sample.group, " sample ", rows[i].sample.index,
          ": logits must be finite, found ", logprobs[i],
          " as the log-probability at position ", rows[i].position() + 1));
    }
    rows[i].sample.tokens.push_back(tokens[i]);
    rows[i].sample.logprobs.push_back(logprobs[i]);
  }
  return absl::OkStatus();
}

bool Generator::Impl::Ended(const Row& row) const {
  const std::vector<int32_t>& ends = config().eos_token_ids;
  return static_cast<int64_t>(row.sample.tokens.size()) ==
             row.group->max_new_tokens ||
         std::find(ends.begin(), ends.end(), row.sample.tokens.back()) !=
             ends.end();
}

void Generator::Impl::Forget(Group* group, int64_t samples) {
  group->unfinished -= static_cast<int32_t>(samples);
  if (group->unfinished > 0) return;
  for (const int32_t block : group->blocks) pool.Release(block);
  group->blocks.clear();
  reserved -= group->reserved;
  group->reserved = 0;
}

void Generator::Impl::Release(Row* row) {
  for (const int32_t block : row->blocks) pool.Release(block);
  reserved -= row->group->blocks_per_sample();
  Forget(row->group.get(), 1);
}

std::vector<Sample> Generator::Impl::TakeFinished() {
  std::vector<Sample> finished;
  const std::vector<int32_t>& ends = config().eos_token_ids;
  for (Row& row : rows) {
    if (!Ended(row)) continue;
    const bool stopped = std::find(ends.begin(), ends.end(),
                                   row.sample.tokens.back()) != ends.end();
    row.sample.finish_reason =
        stopped ? FinishReason::kStop : FinishReason::kLength;
    Release(&row);
    finished.push_back(std::move(row.sample));
    row.group = nullptr;
  }
  std::erase_if(rows, [](const Row& row) { return row.group == nullptr; });
  return finished;
}

absl::StatusOr<std::vector<Sample>> Generator::Impl::Step() {
  Pass pass;
  AddLiveRows(&pass);
  const std::vector<Admission> admissions = PlanAdmissions(&pass);
  RunPass(pass, admissions);
  for (const Admission& admission : admissions) Admit(admission);
  while (!queue.empty() && queue.front()->waiting() == 0) queue.pop_front();
  if (rows.empty()) return std::vector<Sample>();
  AHA_RETURN_IF_ERROR(Draw());
  std::vector<Sample> finished = TakeFinished();
  // Memory that others may need until there is work again.
  if (rows.empty() && queue.empty()) cache.Discard();
  return finished;
}

void Generator::Impl::Cancel(uint64_t id) {
  for (Row& row : rows) {
    if (row.group->request.id != id) continue;
    Release(&row);
    row.group = nullptr;
  }
  std::erase_if(rows, [](const Row& row) { return row.group == nullptr; });
  for (const GroupPtr& group : queue) {
    if (group->request.id == id) Forget(group.get(), group->waiting());
  }
  std::erase_if(
      queue, [id](const GroupPtr& group) { return group->request.id == id; });
}

Generator::Generator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generator::~Generator() = default;

absl::StatusOr<std::unique_ptr<Generator>> Generator::Create(
    Policy* policy, const GeneratorOptions& options) {
  AHA_RETURN_IF_ERROR(options.Validate());
  const ModelConfig& config = policy->config();
  const int64_t block_bytes = 2 * config.num_hidden_layers *
                              config.num_key_value_heads * config.head_dim *
                              kBlockTokens *
                              static_cast<int64_t>(SizeOf(policy->dtype()));
  // A sequence takes one block more while it holds a copy of a shared one.
  const int64_t most = (options.max_rows + int64_t{1}) *
                       (BlocksFor(config.max_position_embeddings) + 1);
  const int64_t blocks =
      std::min({most, std::max<int64_t>(1, options.max_kv_bytes / block_bytes),
                kMaxKvBlocks});
  AHA_ASSIGN_OR_RETURN(KvCache cache,
                       KvCache::Create(config, policy->dtype(), blocks));
  return std::unique_ptr<Generator>(
      new Generator(std::make_unique<Impl>(policy, options, std::move(cache))));
}

absl::Status Generator::Submit(GroupRequest request) {
  return impl_->Submit(std::move(request));
}

absl::StatusOr<std::vector<Sample>> Generator::Step() { return impl_->Step(); }

void Generator::Cancel(uint64_t group) { impl_->Cancel(group); }

absl::Span<const int32_t> Generator::TokensSoFar(uint64_t group,
                                                 int32_t index) const {
  for (const Row& row : impl_->rows) {
    if (row.sample.group == group && row.sample.index == index) {
      return row.sample.tokens;
    }
  }
  return {};
}

bool Generator::idle() const {
  return impl_->queue.empty() && impl_->rows.empty();
}

int64_t Generator::queued_samples() const {
  int64_t samples = 0;
  for (const GroupPtr& group : impl_->queue) samples += group->waiting();
  return samples;
}

int64_t Generator::live_samples() const {
  return static_cast<int64_t>(impl_->rows.size());
}

}  // namespace aha
