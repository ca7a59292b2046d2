// One step of a Generator (model/generator.h): every live sequence gets a
// token, and groups become live as far as rows, blocks and the prefill budget
// allow.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "model/generator_impl.h"
#include "ops/head.h"

namespace aha {

using ops::kBlockTokens;

void Generator::Impl::AddLiveRows(Pass* pass) {
  for (Row& row : rows) {
    const int64_t position = row.position();
    // The position begins a new block. Admission reserved one, so Allocate
    // cannot fail.
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

std::vector<Generator::Impl::Admission> Generator::Impl::PlanAdmissions(
    Pass* pass) {
  std::vector<Admission> admissions;
  int64_t free_rows = options.max_rows - static_cast<int64_t>(rows.size());
  int64_t budget = options.max_prefill_tokens;
  for (const GroupPtr& group : queue) {
    const int64_t per_sample = group->blocks_per_sample();
    const int64_t prompt =
        group->reserved > 0 ? 0 : BlocksFor(group->prompt_length());
    // A sample is admitted only if every block that it may need is free
    // (`reserved`), so that a live sample never waits.
    const int64_t fit =
        std::max<int64_t>(0, cache.blocks() - reserved - prompt) / per_sample;
    const int64_t samples = std::min({free_rows, group->waiting(), fit});
    // Groups are admitted in order: a smaller group must not overtake this one.
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
    // The next group starts when all samples of this one are live, so that at
    // most one waiting group holds blocks.
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
  // The live rows are the first rows of the pass.
  if (!rows.empty()) {
    transformer.final_norm().Forward(
        transformer.x(), static_cast<int64_t>(rows.size()), head, nullptr);
  }
  for (const Admission& admission : admissions) {
    if (admission.last_row < 0) continue;
    admission.group->hidden.resize(static_cast<size_t>(row_bytes()));
    transformer.final_norm().Forward(
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
      // The last sample takes the prompt's blocks over instead of sharing them.
      row.blocks = std::exchange(group.blocks, {});
    } else {
      row.blocks = group.blocks;
      for (const int32_t block : row.blocks) pool.Share(block);
      // The sample writes into the last block, so it needs a copy.
      if (!whole) {
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
    // The key depends on the sample and the position and on nothing else, so
    // the draw does not depend on the batch.
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

std::optional<FinishReason> Generator::Impl::Finished(const Row& row) const {
  const std::vector<int32_t>& ends = config().eos_token_ids;
  const std::vector<int32_t>& tokens = row.sample.tokens;
  if (std::find(ends.begin(), ends.end(), tokens.back()) != ends.end()) {
    return FinishReason::kStop;
  }
  if (static_cast<int64_t>(tokens.size()) == row.group->max_new_tokens) {
    return FinishReason::kLength;
  }
  return std::nullopt;
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
  for (Row& row : rows) {
    const std::optional<FinishReason> reason = Finished(row);
    if (!reason) continue;
    row.sample.finish_reason = *reason;
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
  // Other processes may use this memory until there is work again.
  if (rows.empty() && queue.empty()) cache.Discard();
  return finished;
}

}  // namespace aha
