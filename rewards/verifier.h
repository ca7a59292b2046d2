// A verifier judges completions by rule: it gives each one a value, or says why
// it could not.  The job file names verifiers in rewards[].type.
//
// A new verifier is one file in rewards/rules/ and one line in the table of
// rewards/verifiers.cc.
//
//   const VerifierSpec* spec = *FindVerifier("numeric");
//   const std::unique_ptr<Verifier> verifier = *spec->make({.tolerance = 0.5});
//   AHA_RETURN_IF_ERROR(CheckPrompt(*spec, *verifier, prompt));
//   const std::vector<Verdict> verdicts =
//       verifier->Score({{.prompt = prompt, .completion = "It is 7."}},
//                       Deadline::Never());
//
// A verifier is immutable and thread-safe.  A completion is hostile input: no
// text may crash a verifier or take more than time linear in its length, with
// arithmetic on numbers of bounded size, and a bounded number of steps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"

namespace aha::rewards {

// The further keys of a prompt's line in prompts.file: name to JSON text.
using PromptFields = std::map<std::string, std::string>;

// What is known of a prompt before anything is sampled.  The views must outlive
// it.
struct PromptView {
  absl::string_view text = {};           // What the user wrote.
  absl::string_view reference = {};      // The key "answer" of its line.
  const PromptFields* fields = nullptr;  // May be null: there are none.
};

// One completion to judge.
struct Item {
  PromptView prompt = {};
  absl::string_view completion = {};  // Without the end token.
  bool truncated =
      false;           // Cut by max_completion_length: finish reason length.
  int64_t tokens = 0;  // The completion's length.
};

// How a verifier's look at one item ended.
enum class Outcome {
  kScore,       // Judged; `value` says what it is worth.
  kUnparsable,  // The completion holds no answer that the verifier can read.
  kTimeout,     // What the completion wrote ran longer than it may.
  kCrash,       // What the completion wrote crashed.
  kLimit,       // The answer is larger than the verifier reads.
  kInfraError,  // This side failed.  Never a value: the item is scored again.
  kNotApplicable,  // The verifier has nothing to say of such completions.
};
// "score", "unparsable", "timeout", "crash", "limit", "infra_error",
// "not_applicable".
absl::string_view OutcomeName(Outcome outcome);

struct Verdict {
  Outcome outcome = Outcome::kScore;
  double value = 0;      // 0 unless the outcome is kScore.
  std::string evidence;  // Valid UTF-8, at most a few hundred bytes.
};

// A point in time after which a verifier gives up.
class Deadline {
 public:
  static Deadline Never() { return Deadline(nullptr, absl::InfiniteFuture()); }
  // `at` is a reading of `clock`.
  Deadline(Clock clock, absl::Time at) : clock_(std::move(clock)), at_(at) {}

  bool passed() const { return clock_ != nullptr && clock_() >= at_; }
  absl::Time at() const { return at_; }

 private:
  Clock clock_;
  absl::Time at_;
};

class Verifier {
 public:
  virtual ~Verifier() = default;

  // Whether the verifier can judge completions of a prompt with this reference
  // and these fields.  INVALID_ARGUMENT names the rule and the value; the
  // caller names file and line.
  virtual absl::Status Check(const PromptView& prompt) const = 0;

  // One verdict an item, in the items' order.  An item is judged by its own
  // content alone, so batches may be cut anywhere.
  // REQUIRES: Check accepted each item's prompt.
  virtual std::vector<Verdict> Score(absl::Span<const Item> batch,
                                     const Deadline& deadline) const = 0;
};

// What a component of the job file sets beside type, name and weight.
struct VerifierSettings {
  double tolerance = 0;
  double relative_tolerance = 0;
  std::string pattern = {};
  int64_t max_length = 0;    // Tokens.
  int64_t cache_length = 0;  // Tokens.
  int64_t ngram_size = 3;    // Words.
  std::string script = {};
};

// A line of the table.
struct VerifierSpec {
  absl::string_view name;  // rewards[].type.
  absl::string_view help;  // A sentence or two for users.
  // Keys of the prompt's line that it reads; "answer" is the reference.
  std::vector<absl::string_view> needs;
  // The keys of VerifierSettings that it reads.
  std::vector<absl::string_view> takes = {};
  // INVALID_ARGUMENT: a setting that it refuses.
  absl::StatusOr<std::unique_ptr<Verifier>> (*make)(
      const VerifierSettings& settings);
};

// The table, in the order of job.proto.
absl::Span<const VerifierSpec> Verifiers();
// INVALID_ARGUMENT with the names that there are.
absl::StatusOr<const VerifierSpec*> FindVerifier(absl::string_view name);

// Whether the prompt's line has the keys that the verifier needs, and Check
// accepts them.
absl::Status CheckPrompt(const VerifierSpec& spec, const Verifier& verifier,
                         const PromptView& prompt);

// The base of verifiers that look at one item at a time and do a bounded amount
// of work for it.  If the deadline passes, the machine was too slow and not the
// completion at fault, so the items that are left are kInfraError.
class RuleVerifier : public Verifier {
 public:
  std::vector<Verdict> Score(absl::Span<const Item> batch,
                             const Deadline& deadline) const final;

 protected:
  virtual Verdict Judge(const Item& item) const = 0;
};

}  // namespace aha::rewards
