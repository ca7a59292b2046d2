#include "actor/prompt_codec.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/prompt_tokens.h"
#include "text/tokenizer.h"

namespace aha::actor {
namespace {

std::vector<ChatMessage> TurnsOf(const v1::GroupContext& group) {
  std::vector<ChatMessage> turns;
  for (const v1::PromptTurn& turn : group.turns()) {
    turns.push_back({.role = turn.role(), .content = turn.content()});
  }
  return turns;
}

absl::Status OfPrompt(const v1::GroupContext& group,
                      const absl::Status& status) {
  return Annotate(absl::StrCat("prompt ", group.prompt_id()), status);
}

class TokenizerCodec final : public PromptCodec {
 public:
  TokenizerCodec(const Tokenizer* tokenizer, const v1::Prompts& prompts,
                 std::vector<int32_t> end_tokens)
      : tokenizer_(*tokenizer),
        prompts_(prompts),
        end_tokens_(std::move(end_tokens)) {}

  absl::StatusOr<std::vector<int32_t>> Encode(
      const v1::GroupContext& group) const override {
    const std::vector<ChatMessage> turns = TurnsOf(group);
    absl::StatusOr<std::vector<int32_t>> ids = PromptTokens(
        tokenizer_, prompts_, {.text = group.prompt(), .turns = turns});
    if (ids.ok()) return ids;
    return OfPrompt(group, ids.status());
  }

  absl::StatusOr<std::string> Opening(
      const v1::GroupContext& group) const override {
    const std::vector<ChatMessage> turns = TurnsOf(group);
    absl::StatusOr<std::string> opening = PromptOpening(
        tokenizer_, prompts_, {.text = group.prompt(), .turns = turns});
    if (opening.ok()) return opening;
    return OfPrompt(group, opening.status());
  }

  std::string Decode(absl::Span<const int32_t> completion) const override {
    if (!completion.empty() &&
        absl::c_linear_search(end_tokens_, completion.back())) {
      completion.remove_suffix(1);
    }
    return tokenizer_.Decode(completion, Tokenizer::Special::kKeep);
  }

 private:
  const Tokenizer& tokenizer_;
  const v1::Prompts prompts_;
  const std::vector<int32_t> end_tokens_;
};

}  // namespace

std::unique_ptr<PromptCodec> NewPromptCodec(const Tokenizer* tokenizer,
                                            const v1::Prompts& prompts,
                                            std::vector<int32_t> end_tokens) {
  return std::make_unique<TokenizerCodec>(tokenizer, prompts,
                                          std::move(end_tokens));
}

}  // namespace aha::actor
