#include "learner/stages/sft_documents.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "job/options.h"
#include "job/prompt_tokens.h"
#include "rl/schedule.h"

namespace aha::learner {

absl::StatusOr<std::unique_ptr<SftDocuments>> SftDocuments::Create(
    const v1::Job& job, uint32_t stage, const ModelSetup& setup) {
  const v1::Sft& sft = job.stages(static_cast<int>(stage)).sft();
  const int per_step = sft.documents_per_step();
  const int per_batch = sft.documents_per_micro_batch();
  if (per_batch < 1 || per_step < 1 || per_step % per_batch != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sft.documents_per_micro_batch must divide documents_per_step (",
        per_step, "), is ", per_batch));
  }
  std::unique_ptr<SftDocuments> documents(new SftDocuments(job, stage, setup));
  AHA_ASSIGN_OR_RETURN(documents->source_, OpenDocuments(job, sft));
  documents->documents_per_step_ = static_cast<uint32_t>(per_step);
  documents->per_micro_batch_ = static_cast<uint32_t>(per_batch);
  documents->micro_batches_ = static_cast<uint32_t>(per_step / per_batch);
  return documents;
}

uint64_t SftDocuments::IndexOf(uint64_t step, uint32_t position) const {
  const v1::Sft& sft = job_.stages(static_cast<int>(stage_)).sft();
  if (sft.file().empty()) {
    return (step * documents_per_step_ + position) % source_->count();
  }
  return PromptIndex({.seed = job_.seed(),
                      .stage = stage_,
                      .num_prompts = source_->count(),
                      .prompts_per_step = documents_per_step_},
                     step, position);
}

// A template that opens what the model says leaves the document only the rest.
absl::string_view SftDocuments::WithoutOpening(absl::string_view completion,
                                               absl::string_view opening) {
  const absl::string_view tag = absl::StripTrailingAsciiWhitespace(opening);
  if (tag.empty() || !absl::ConsumePrefix(&completion, tag)) return completion;
  return absl::StripLeadingAsciiWhitespace(completion);
}

int32_t SftDocuments::EndToken(bool chat) const {
  const int32_t end = setup_.config.eos_token_ids.front();
  return chat ? setup_.tokenizer->turn_end().value_or(end) : end;
}

absl::StatusOr<TrainSequence> SftDocuments::Tokens(uint64_t index) const {
  const Document document = source_->Get(index);
  const Tokenizer& tokenizer = *setup_.tokenizer;
  const PromptText text = {.text = document.prompt};
  const bool chat = job_.prompts().format() == "chat";
  AHA_ASSIGN_OR_RETURN(const std::string prompt,
                       RenderPrompt(tokenizer, job_.prompts(), text));
  AHA_ASSIGN_OR_RETURN(const std::string opening,
                       PromptOpening(tokenizer, job_.prompts(), text));
  TrainSequence sequence;
  // A template renders the tokens that begin a sequence itself.
  AHA_ASSIGN_OR_RETURN(sequence.tokens, chat ? tokenizer.Encode(prompt)
                                             : tokenizer.EncodePrompt(prompt));
  sequence.prompt_length = static_cast<int64_t>(sequence.tokens.size());
  AHA_ASSIGN_OR_RETURN(
      const std::vector<int32_t> completion,
      tokenizer.Encode(WithoutOpening(document.completion, opening)));
  sequence.tokens.insert(sequence.tokens.end(), completion.begin(),
                         completion.end());
  sequence.tokens.push_back(EndToken(chat));
  const auto length = static_cast<int64_t>(sequence.tokens.size());
  if (sequence.prompt_length == 0 || length > setup_.config.context()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sft document ", index, " must have a prompt and at most ",
                     setup_.config.context(), " tokens, has ", length, " (",
                     sequence.prompt_length, " of the prompt)"));
  }
  return sequence;
}

absl::StatusOr<std::vector<TrainSequence>> SftDocuments::MicroBatch(
    uint64_t step, uint32_t micro_batch) const {
  std::vector<TrainSequence> sequences;
  for (uint32_t i = 0; i < per_micro_batch_; ++i) {
    const uint64_t index = IndexOf(step, micro_batch * per_micro_batch_ + i);
    AHA_ASSIGN_OR_RETURN(sequences.emplace_back(), Tokens(index));
  }
  return sequences;
}

}  // namespace aha::learner
