// Verdicts of verifiers by name, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "rewards/verifier.h"

namespace aha::rewards {

// Settings that the verifier can be made with.
inline VerifierSettings SettingsFor(const VerifierSpec& spec) {
  VerifierSettings settings;
  if (spec.name == "regex") settings.pattern = "7";
  if (spec.name == "script") settings.script = "latin";
  return settings;
}

inline std::unique_ptr<Verifier> Make(absl::string_view name,
                                      const VerifierSettings& settings = {}) {
  const auto spec = FindVerifier(name);
  EXPECT_TRUE(spec.ok()) << spec.status();
  auto verifier = (*spec)->make(settings);
  EXPECT_TRUE(verifier.ok()) << verifier.status();
  return *std::move(verifier);
}

inline Verdict Judge(const Verifier& verifier, absl::string_view completion,
                     absl::string_view reference, bool truncated = false) {
  const PromptView prompt = {.text = "?", .reference = reference};
  EXPECT_TRUE(verifier.Check(prompt).ok()) << verifier.Check(prompt);
  return verifier.Score(
      {{.prompt = prompt, .completion = completion, .truncated = truncated}},
      Deadline::Never())[0];
}

inline Verdict Judge(absl::string_view name, absl::string_view completion,
                     absl::string_view reference, bool truncated = false) {
  return Judge(*Make(name), completion, reference, truncated);
}

inline double Value(absl::string_view name, absl::string_view completion,
                    absl::string_view reference, bool truncated = false) {
  return Judge(name, completion, reference, truncated).value;
}

}  // namespace aha::rewards
