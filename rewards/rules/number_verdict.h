// What the verifiers of numbers share: is a number that was read the
// reference's?  Internal to rewards/rules/.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rewards/number.h"
#include "rewards/verifier.h"

namespace aha::rewards {

// INVALID_ARGUMENT if the reference is not one number.
absl::Status CheckNumber(absl::string_view verifier, const PromptView& prompt);

// A number of the completion, and where it was found ("last number").
struct FoundNumber {
  absl::string_view name;
  NumberReading reading;
  bool may_be_cut =
      false;  // More digits might have followed at the text's end.
};

// REQUIRES: CheckNumber accepted the reference.
Verdict JudgeNumber(const FoundNumber& found, absl::string_view reference,
                    const Tolerance& tolerance);

}  // namespace aha::rewards
