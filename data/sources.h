// The prompts and documents of a stage behind one interface, whether they come
// from a file or from the generator. rl/schedule.h says which index a slot
// holds. Immutable after creation; thread-safe.
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
  std::string prompt;     // What the user wrote.
  std::string reference;  // The answer that rewards compare with.
  // The further keys of its line, as JSON text; empty for generated prompts.
  std::map<std::string, std::string> fields;
};

struct PromptSourceOptions {
  std::string file;           // JSON Lines; empty: the generator.
  ExerciseOptions generator;  // Used if there is no file.
  uint64_t seed = 1;          // The job's.
  // A file is split like the generator's exercises: SplitOf decides by the
  // prompt.
  Split split = Split::kTrain;
  // A control experiment: each prompt has the reference and the fields of
  // another one. It is ignored in kEval, where accuracy is measured.
  bool shuffled_answers = false;
};

class PromptSource {
 public:
  virtual ~PromptSource() = default;
  virtual uint64_t count() const = 0;  // At least 1.
  // REQUIRES: index < count().
  virtual Prompt Get(uint64_t index) const = 0;
};

// Returns the errors of the file and of the options, and FAILED_PRECONDITION if
// the file has no prompt in the split, or only one although shuffled_answers
// needs two.
absl::StatusOr<std::unique_ptr<PromptSource>> MakePromptSource(
    const PromptSourceOptions& options);

struct DocumentSourceOptions {
  std::string file;           // JSON Lines; empty: the generator's corpus.
  ExerciseOptions generator;  // Used if there is no file, as is `mix`.
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
