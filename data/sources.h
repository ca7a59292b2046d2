// The prompts and documents of a stage behind one interface, whether they come
// from a file or from the generator. rl/schedule.h says which index a slot
// holds. Immutable after creation; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/corpus.h"
#include "data/generator.h"
#include "data/prompt_file.h"

namespace aha {

struct Prompt {
  std::string id;
  std::string prompt;     // As the user wrote it.
  std::string reference;  // The answer that rewards compare with.
  // The further keys of its row, as JSON text; empty for generated prompts.
  std::map<std::string, std::string> fields;
  // What the chat template gets, if the row is a conversation (PromptRecord).
  std::vector<Turn> turns = {};
};

struct PromptSourceOptions {
  PromptFileOptions files;    // Without paths: the generator.
  ExerciseOptions generator;  // Used if there are no paths.
  uint64_t seed = 1;          // The job's.
  // Files are split like the generator's exercises: SplitOf decides by the
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
  // REQUIRES: index < count(), here and below.
  virtual Prompt Get(uint64_t index) const = 0;
  // Where the prompt stands, for messages: "train.jsonl:7".
  virtual std::string PlaceOf(uint64_t index) const = 0;
  // What was found in the files; null for the generator.
  virtual const LoadReport* report() const { return nullptr; }
};

// Returns the errors of the files and of the options, and FAILED_PRECONDITION
// if the files have no prompt in the split, or only one although
// shuffled_answers needs two.
absl::StatusOr<std::unique_ptr<PromptSource>> MakePromptSource(
    const PromptSourceOptions& options);

// How many prompts of `held_out` are, by their text, also in `training`. Both
// come from files.
uint64_t CountShared(const PromptSource& training,
                     const PromptSource& held_out);

struct DocumentSourceOptions {
  std::string file;           // Empty: the generator's corpus.
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
