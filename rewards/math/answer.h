// Finds the answer in a completion, for the verifier `math`.
//
// Only what follows the last </think> is looked at, and of that only the last
// <answer> block if there is one.  There the answer is, in this order:
//   1. the last \boxed{} or \fbox{}; boxes that only a comma, "and" or "or"
//      separates are one list;
//   2. the whole answer block;
//   3. what follows the last ####, in its line;
//   4. what follows the last "answer is", "answer:" or the like;
//   5. the last formula ($..$, \(..\), \[..\], $$..$$), unless a number
//   follows;
//   6. the last number.
//
// Pure functions, in time linear in the text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::rewards::math {

struct FoundAnswer {
  std::string text;
  // The boxes that `text` lists, if there are several.
  std::vector<std::string> boxes = {};
  absl::string_view place;  // "last box", "answer block", ...
  // It ends where the completion ends, so a completion that was cut may have
  // gone on.
  bool at_end = false;
};

std::optional<FoundAnswer> FindAnswer(absl::string_view completion);

// The answer that a reference holds: its boxes if it has some.  A solution
// without a box is searched as a completion is; everything else is the answer
// itself.
std::string ReferenceAnswer(absl::string_view reference);

}  // namespace aha::rewards::math
