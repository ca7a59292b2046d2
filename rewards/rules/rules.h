// The verifiers that need nothing but the texts, one file each in this folder.
// Internal to rewards/; the table is in rewards/verifiers.cc.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rewards/verifier.h"

namespace aha::rewards {

VerifierSpec AccuracyVerifier();
VerifierSpec FormatVerifier();
VerifierSpec LastNumberVerifier();
VerifierSpec BoxedVerifier();
VerifierSpec ContainsVerifier();
VerifierSpec NumericVerifier();
VerifierSpec MathVerifier();
VerifierSpec ExactVerifier();
VerifierSpec RegexVerifier();
VerifierSpec ChoiceVerifier();
VerifierSpec CountdownVerifier();
VerifierSpec LengthVerifier();
VerifierSpec RepetitionVerifier();
VerifierSpec ScriptVerifier();

// For VerifierSpec::make of a verifier without settings.
template <class T>
absl::StatusOr<std::unique_ptr<Verifier>> MakePlain(const VerifierSettings&) {
  return std::make_unique<T>();
}

// INVALID_ARGUMENT if the reference is white space only.
absl::Status CheckNotBlank(absl::string_view verifier,
                           const PromptView& prompt);

// A text in quotes for evidence and errors: at most 80 bytes of it, with an
// ellipsis if there is more, malformed UTF-8 replaced.
std::string Excerpt(absl::string_view text);

// A judged item that is right (1) or wrong (0).
Verdict Judged(bool right, std::string evidence);

}  // namespace aha::rewards
