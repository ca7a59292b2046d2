// Finds the answer in a completion: think and answer blocks, boxes, and the
// comparison of an answer's text with the reference.
//
// Pure functions, in time linear in the text.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace aha::rewards {

// The completion's think block and answer block, R1's form:
//   <think>...</think><answer>...</answer>

// Whether the completion is exactly one think block and one answer block, each
// of the four tags once, in order, with white space only around the blocks.
bool HasThinkAnswerForm(absl::string_view completion);

// The text, trimmed, inside the only answer block behind the think block.  A
// tag that the thought mentions does not count: only what follows the last
// </think> is looked at.  Nothing if there is no thought, or not exactly one
// answer behind it.
std::optional<absl::string_view> AnswerBlock(absl::string_view completion);

// The text inside the last answer block, thought or not.
std::optional<absl::string_view> LastAnswerBlock(absl::string_view completion);

// What follows the last </think>; the whole completion if there is none.
absl::string_view AfterThought(absl::string_view completion);

// The content of the last \boxed{..} or \fbox{..} whose braces balance, or what
// follows a \boxed without braces up to white space or a dollar sign.  Of boxes
// in boxes the inner one.
std::optional<absl::string_view> LastBox(absl::string_view completion);

// Whether an answer's text says what the reference's text says: the same text
// (as CanonicalMath spells it), or the same number (WholeNumber, SameNumber).
bool SameAnswer(absl::string_view answer, absl::string_view reference);

}  // namespace aha::rewards
