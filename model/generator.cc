// The requests of a Generator (model/generator.h): validation, the queue,
// cancellation, and the size of the KV cache. generator_step.cc advances the
// sequences.
#include "model/generator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/generator_impl.h"

namespace aha {
namespace {

using ops::kBlockTokens;

constexpr int64_t kMaxKvBlocks = 1 << 24;

absl::Status OutOfRange(absl::string_view field, absl::string_view rule,
                        absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", rule, ", found ", value));
}

}  // namespace

absl::Status SamplingParams::Validate() const {
  if (temperature != 0 &&
      !(temperature >= static_cast<float>(kMinTemperature) &&
        temperature <= static_cast<float>(kMaxTemperature))) {
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

absl::Status Generator::Impl::Submit(GroupRequest request) {
  const std::string who = absl::StrCat("group ", request.id, ": ");
  const int64_t length = static_cast<int64_t>(request.prompt.size());
  const int64_t context = config().context();
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
        absl::StrCat("1 to ", context - 1, " tokens (", config().ContextRule(),
                     " is ", context, ")"),
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
    return absl::AlreadyExistsError(who +
                                    "id must be unique, but it is in use");
  }
  auto group = std::make_shared<Group>();
  group->max_new_tokens =
      std::min<int64_t>(request.sampling.max_new_tokens, context - length);
  group->unfinished = request.num_samples;
  group->request = std::move(request);
  // A group that can never be admitted would block the queue behind it.
  if (BlocksFor(length) + group->blocks_per_sample() > cache.blocks()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        who, "one sample must fit the KV cache of ",
        cache.blocks() * kBlockTokens, " tokens (max_kv_bytes), found ",
        length + group->max_new_tokens));
  }
  queue.push_back(std::move(group));
  return absl::OkStatus();
}

void Generator::Impl::Cancel(uint64_t id) {
  for (Row& row : rows) {
    if (row.group->request.id != id) continue;
    Release(&row);
    // Rows are only marked here, because erasing them would invalidate the
    // loop.
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
  const absl::Span<const int64_t> planes =
      policy->transformer().kv_plane_bytes();
  const int64_t block_bytes =
      std::accumulate(planes.begin(), planes.end(), int64_t{0});
  // A sequence needs one more block while it holds a copy of a shared one.
  const int64_t most =
      (options.max_rows + int64_t{1}) * (BlocksFor(config.context()) + 1);
  const int64_t blocks =
      std::min({most, std::max<int64_t>(1, options.max_kv_bytes / block_bytes),
                kMaxKvBlocks});
  AHA_ASSIGN_OR_RETURN(KvCache cache, KvCache::Create(planes, blocks));
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
  for (const Impl::Row& row : impl_->rows) {
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
  for (const Impl::GroupPtr& group : impl_->queue) samples += group->waiting();
  return samples;
}

int64_t Generator::live_samples() const {
  return static_cast<int64_t>(impl_->rows.size());
}

}  // namespace aha
