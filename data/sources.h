// Where a stage's prompts and documents come from, behind one face: a file or
// the generator.  rl/schedule.h decides which index a slot holds.
//
// Immutable after creation; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/corpus.h"
#include "data/generator.h"

namespace aha {

struct Prompt {
  std::string id;
  std::string prompt;     // As the user wrote it.
  std::string reference;  // The answer that rewards compare with.
  // The further keys of its line, as JSON text; empty for generated prompts.
  std::map<std::string, std::string> fields;
};

struct PromptSourceOptions {
  std::string file;          // JSON Lines; the generator if empty.
  ProblemOptions generator;  // Used without a file.
  uint64_t seed = 1;         // The job's.
  // A file is split like the generator's problems, by SplitOf its prompts.
  Split split = Split::kTrain;
  // A control: each prompt has another's reference and fields.  Not in kEval,
  // where accuracy is measured.
  bool shuffled_answers = false;
};

class PromptSource {
 public:
  virtual ~PromptSource() = default;
  virtual uint64_t count() const = 0;  // At least 1.
  // REQUIRES: index < count().
  virtual Prompt Get(uint64_t index) const = 0;
};

// Errors of the file and of the options; FAILED_PRECONDITION if the file has
// no prompt in the split, or only one and shuffled_answers wants another's.
absl::StatusOr<std::unique_ptr<PromptSource>> MakePromptSource(
    const PromptSourceOptions& options);

struct DocumentSourceOptions {
  std::string file;          // JSON Lines; the generator's corpus if empty.
  ProblemOptions generator;  // Used without a file, as is:
  CorpusMix mix;
  uint64_t seed = 1;  // The job's.
};

class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  virtual uint64_t count() const = 0;  // At least 1.
  // REQUIRES: index < count().
  virtual Document Get(uint64_t index) const = 0;
};

absl::StatusOr<std::unique_ptr<DocumentSource>> MakeDocumentSource(
    const DocumentSourceOptions& options);

}  // namespace aha
