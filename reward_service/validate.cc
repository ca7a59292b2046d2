#include "reward_service/validate.h"

#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/ids.h"

namespace aha::reward {
namespace {

absl::Status Broken(absl::string_view field, absl::string_view rule,
                    absl::AlphaNum value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", rule, ", got ", value));
}

absl::Status TextFits(absl::string_view field, const std::string& text) {
  if (text.size() <= kMaxTextBytes) return absl::OkStatus();
  return Broken(field, absl::StrCat("at most ", kMaxTextBytes, " bytes"),
                text.size());
}

// A name as an error shows it; the sender may have written anything.
std::string Shown(absl::string_view name) {
  return absl::StrCat("'", absl::CHexEscape(name.substr(0, 64)), "'");
}

// Limits the size of names and values together.  The order makes two messages
// with the same fields the same bytes.
absl::Status ValidateFields(const v1::GroupContext& context) {
  size_t bytes = 0;
  const v1::PromptField* before = nullptr;
  for (const v1::PromptField& field : context.fields()) {
    bytes += field.name().size() + field.value().size();
    if (before != nullptr && field.name() <= before->name()) {
      return Broken("context.fields.name",
                    absl::StrCat("sorted and unique, so it must come after ",
                                 Shown(before->name())),
                    Shown(field.name()));
    }
    before = &field;
  }
  if (bytes <= kMaxTextBytes) return absl::OkStatus();
  return Broken("context.fields",
                absl::StrCat("at most ", kMaxTextBytes, " bytes together"),
                bytes);
}

// Roles and contents, all together.
absl::Status TurnsFit(const v1::GroupContext& context) {
  size_t bytes = 0;
  for (const v1::PromptTurn& turn : context.turns()) {
    bytes += turn.role().size() + turn.content().size();
  }
  if (bytes <= kMaxTextBytes) return absl::OkStatus();
  return Broken("context.turns",
                absl::StrCat("at most ", kMaxTextBytes, " bytes together"),
                bytes);
}

absl::Status ValidateTokens(absl::string_view field,
                            absl::Span<const int32_t> ids) {
  if (ids.empty() || ids.size() > kMaxTokens) {
    return Broken(field, absl::StrCat("1 to ", kMaxTokens, " tokens"),
                  ids.size());
  }
  for (int32_t id : ids) {
    if (id < 0) return Broken(field, "of ids from 0", id);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateContext(const v1::GroupContext& context) {
  if (!context.has_key()) return Broken("context.key", "present", "none");
  if (!context.has_policy()) return Broken("context.policy", "present", "none");
  if (context.policy().stage() > context.key().stage()) {
    return Broken("context.policy.stage", "at most the group's",
                  context.policy().stage());
  }
  if (context.num_generations() < 1 ||
      context.num_generations() > kMaxGenerations) {
    return Broken("context.num_generations",
                  absl::StrCat("1 to ", kMaxGenerations),
                  context.num_generations());
  }
  if (context.consumer().empty() || context.consumer().size() > 256) {
    return Broken("context.consumer", "an address of 1 to 256 characters",
                  context.consumer().size());
  }
  if (context.prompt_id().size() > 4096) {
    return Broken("context.prompt_id", "at most 4096 bytes",
                  context.prompt_id().size());
  }
  AHA_RETURN_IF_ERROR(TextFits("context.prompt", context.prompt()));
  AHA_RETURN_IF_ERROR(TextFits("context.reference", context.reference()));
  AHA_RETURN_IF_ERROR(TextFits("context.opening", context.opening()));
  AHA_RETURN_IF_ERROR(ValidateFields(context));
  AHA_RETURN_IF_ERROR(TurnsFit(context));
  return ValidateTokens("context.prompt_token_ids", context.prompt_token_ids());
}

absl::Status ValidateTrajectory(const v1::GroupContext& context,
                                const v1::Trajectory& trajectory) {
  if (trajectory.sample() >= context.num_generations()) {
    return Broken(
        "trajectory.sample",
        absl::StrCat("below num_generations ", context.num_generations()),
        trajectory.sample());
  }
  AHA_RETURN_IF_ERROR(
      ValidateTokens("trajectory.token_ids", trajectory.token_ids()));
  const size_t tokens = static_cast<size_t>(trajectory.token_ids_size());
  if (trajectory.logprobs().size() != 4 * tokens) {
    return Broken("trajectory.logprobs",
                  absl::StrCat("4 bytes for each token, ", 4 * tokens),
                  trajectory.logprobs().size());
  }
  for (size_t i = 0; i < tokens; ++i) {
    float value;
    std::memcpy(&value, trajectory.logprobs().data() + 4 * i, 4);
    if (!std::isfinite(value)) {
      return Broken(absl::StrCat("trajectory.logprobs[", i, "]"), "finite",
                    value);
    }
  }
  if (trajectory.finish_reason() != v1::FINISH_REASON_STOP &&
      trajectory.finish_reason() != v1::FINISH_REASON_LENGTH) {
    return Broken("trajectory.finish_reason", "STOP or LENGTH",
                  static_cast<int>(trajectory.finish_reason()));
  }
  return TextFits("trajectory.completion", trajectory.completion());
}

}  // namespace aha::reward
