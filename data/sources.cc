// Implements data/sources.h with a generated and a file variant of each kind of
// source. Shuffled answers take another index's answer, at a fixed offset.
#include "data/sources.h"

#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/rng.h"
#include "base/status.h"

namespace aha {
namespace {

// The generator is endless; this many of its exercises have an index.
constexpr uint64_t kGeneratedCount = uint64_t{1} << 31;

class GeneratedPrompts : public PromptSource {
 public:
  explicit GeneratedPrompts(PromptSourceOptions options)
      : options_(std::move(options)) {
    if (options_.shuffled_answers && options_.split != Split::kEval) {
      // The offset is a multiple of the number of kinds, so that the other
      // answer is one of the same kind.
      const uint64_t kinds = options_.generator.kinds.empty()
                                 ? DefaultExerciseKinds().size()
                                 : options_.generator.kinds.size();
      answer_offset_ = kinds * 1'000'003;
    }
  }

  uint64_t count() const override { return kGeneratedCount; }

  Prompt Get(uint64_t index) const override {
    Exercise exercise = Make(index);
    Prompt prompt{.id = std::move(exercise.id),
                  .prompt = std::move(exercise.prompt),
                  .reference = std::move(exercise.answer),
                  .fields = {},
                  .turns = {}};
    if (answer_offset_ > 0) {
      prompt.reference = Make(index + answer_offset_).answer;
    }
    return prompt;
  }

  std::string PlaceOf(uint64_t index) const override {
    return absl::StrCat("prompts.generated: ", Make(index).id);
  }

 private:
  Exercise Make(uint64_t index) const {
    return MakeExercise(options_.seed, options_.split, index,
                        options_.generator);
  }

  const PromptSourceOptions options_;
  uint64_t answer_offset_ = 0;
};

class FilePrompts : public PromptSource {
 public:
  FilePrompts(PromptTable table, uint64_t answer_offset)
      : table_(std::move(table)), answer_offset_(answer_offset) {}

  uint64_t count() const override { return table_.records.size(); }

  Prompt Get(uint64_t index) const override {
    const std::vector<PromptRecord>& records = table_.records;
    const PromptRecord& record = records[index];
    const PromptRecord& judged =
        records[(index + answer_offset_) % records.size()];
    return {record.id, record.prompt, judged.answer, judged.fields,
            record.turns};
  }

  std::string PlaceOf(uint64_t index) const override {
    return table_.records[index].place;
  }

  const LoadReport* report() const override { return &table_.report; }

 private:
  const PromptTable table_;
  const uint64_t answer_offset_;
};

absl::StatusOr<std::unique_ptr<PromptSource>> MakeFilePrompts(
    const PromptSourceOptions& options) {
  AHA_ASSIGN_OR_RETURN(PromptTable table, LoadPrompts(options.files));
  std::vector<PromptRecord>& records = table.records;
  if (options.split != Split::kAll) {
    std::erase_if(records, [&](const PromptRecord& record) {
      return SplitOf(record.prompt) != options.split;
    });
  }
  const std::string name = absl::StrJoin(options.files.paths, ", ");
  if (records.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, ": has no prompt for ",
        options.split == Split::kEval ? "evaluation" : "training",
        "; one prompt in eight, by a hash of its text, is held out: add "
        "prompts, or name held-out prompts in prompts.eval_file"));
  }
  uint64_t offset = 0;
  if (options.shuffled_answers && options.split != Split::kEval) {
    if (records.size() < 2) {
      return absl::FailedPreconditionError(absl::StrCat(
          name, ": shuffled_answers needs at least 2 prompts, got 1"));
    }
    const RandomKey key(options.seed, RandomPurpose::kExercise);
    // An offset from 1 to size - 1 gives no prompt its own answer.
    offset = 1 + key.Below(0, static_cast<uint32_t>(records.size() - 1));
  }
  return std::make_unique<FilePrompts>(std::move(table), offset);
}

class GeneratedDocuments : public DocumentSource {
 public:
  explicit GeneratedDocuments(DocumentSourceOptions options)
      : options_(std::move(options)) {}
  uint64_t count() const override { return kGeneratedCount; }
  Document Get(uint64_t index) const override {
    return MakeDocument(options_.seed, index, options_.mix, options_.generator);
  }

 private:
  const DocumentSourceOptions options_;
};

class FileDocuments : public DocumentSource {
 public:
  explicit FileDocuments(std::vector<Document> documents)
      : documents_(std::move(documents)) {}
  uint64_t count() const override { return documents_.size(); }
  Document Get(uint64_t index) const override { return documents_[index]; }

 private:
  const std::vector<Document> documents_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PromptSource>> MakePromptSource(
    const PromptSourceOptions& options) {
  if (!options.files.paths.empty()) return MakeFilePrompts(options);
  AHA_RETURN_IF_ERROR(options.generator.Validate());
  return std::make_unique<GeneratedPrompts>(options);
}

uint64_t CountShared(const PromptSource& training,
                     const PromptSource& held_out) {
  std::unordered_set<std::string> texts;
  for (uint64_t i = 0; i < training.count(); ++i) {
    texts.insert(training.Get(i).prompt);
  }
  uint64_t shared = 0;
  for (uint64_t i = 0; i < held_out.count(); ++i) {
    shared += texts.contains(held_out.Get(i).prompt);
  }
  return shared;
}

absl::StatusOr<std::unique_ptr<DocumentSource>> MakeDocumentSource(
    const DocumentSourceOptions& options) {
  if (!options.file.empty()) {
    AHA_ASSIGN_OR_RETURN(std::vector<Document> documents,
                         LoadDocuments(options.file));
    return std::make_unique<FileDocuments>(std::move(documents));
  }
  AHA_RETURN_IF_ERROR(options.generator.Validate());
  AHA_RETURN_IF_ERROR(options.mix.Validate());
  return std::make_unique<GeneratedDocuments>(options);
}

}  // namespace aha
