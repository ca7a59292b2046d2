// Mathematical text as people and models write it (Unicode, LaTeX, Markdown),
// rewritten in a plain form that number.h can scan and that can be compared.
//
// Pure functions, in time linear in the text, whatever the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::rewards {

// Stands before the braces of \text{...} and its like in plain text.  Never
// comes from the input.
inline constexpr char kTextMark = '\x01';

// The text with one spelling for what means the same:
//   dashes and minus signs          -        (the em dash is punctuation: ;)
//   digits of other scripts         0-9      full-width forms: ASCII
//   thin and unbreakable spaces     a space  zero-width ones are dropped
//   ½ 2⁵ x₂                         \frac{1}{2}  2^{5}  x_2
//   currency signs, \$              $        as are \( \) \[ \]
//   × \times \cdot, ÷ \div          *  /
//   √ π ∞                           \sqrt \pi \infty
//   \dfrac \tfrac \cfrac            \frac
//   {,} \! \, ~                     ,  (nothing)  a space  a space
//   \text{..} \mathrm{..} \mbox{..} kTextMark{..}
//   degree signs                    kTextMark{degree}
//   \left \right \boxed \fbox       dropped, their braces stay
// Everything else stays as it is.
std::string PlainMath(absl::string_view text);

// Returns for each byte of plain text that is a '{' the offset of its '}', and
// 0 for every other.  A brace behind a backslash groups nothing.
std::vector<uint32_t> MatchBraces(absl::string_view plain);

// The text as it is compared: in plain form, without math delimiters around it,
// the braces of \text{} and spaces, except between two letters or digits.
std::string CanonicalMath(absl::string_view text);

}  // namespace aha::rewards
