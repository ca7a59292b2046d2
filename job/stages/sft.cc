// Stages of kind sft: supervised training on documents, which come from a file
// or from the generator's corpus.
#include "absl/strings/str_cat.h"
#include "data/corpus.h"
#include "job/options.h"
#include "job/stages/checks.h"
#include "job/stages/kinds.h"

namespace aha {
namespace {

class SftStage : public StageKind {
 public:
  absl::string_view name() const override { return "sft"; }
  absl::string_view help() const override {
    return "supervised next-token training";
  }
  StageTraits traits() const override {
    return {.trains = true,
            .consumer = GroupConsumer::kNone,
            .prompts = PromptUse::kNone};
  }
  RewardsNeed rewards() const override { return RewardsNeed::kNone; }

  void FillDefaults(const v1::Job&, v1::Stage* stage) const override {
    v1::Sft* sft = stage->mutable_sft();
    sft->mutable_optimizer();
    if (!sft->has_file()) sft->mutable_corpus();
  }

  bool UsesGenerator(const v1::Stage& stage) const override {
    return !stage.sft().has_file();
  }

  void VisitFiles(v1::Stage* stage,
                  absl::FunctionRef<void(absl::string_view, std::string*)>
                      visit) const override {
    if (stage->sft().has_file()) {
      visit("file", stage->mutable_sft()->mutable_file());
    }
  }

  void Check(const StageRef& at, ConfigErrors* errors) const override {
    const v1::Sft& sft = at.stage().sft();
    const std::string path = at.settings_path();
    CheckOptimizer(sft.optimizer(), sft.steps(), ChildPath(path, "optimizer"),
                   errors);
    if (sft.documents_per_step() % sft.documents_per_micro_batch() != 0) {
      errors->Add(ChildPath(path, "documents_per_micro_batch"),
                  absl::StrCat("must divide documents_per_step (",
                               sft.documents_per_step(), "), got ",
                               sft.documents_per_micro_batch()));
    }
    if (sft.has_file() && sft.file().empty()) {
      errors->Add(ChildPath(path, "file"), "must not be empty");
    }
    if (sft.has_file() && sft.has_corpus()) {
      errors->Add(path, "must have either file or corpus, has both");
    }
    if (!sft.has_corpus()) return;
    const CorpusMix mix{sft.corpus().facts(), sft.corpus().terse(),
                        sft.corpus().worked(), sft.corpus().corrected()};
    if (const absl::Status status = mix.Validate(); !status.ok()) {
      errors->Add(ChildPath(path, "corpus"), status.message());
    }
  }

  void CheckInputs(const StageRef& at, const JobInputs&,
                   ConfigErrors* errors) const override {
    const v1::Sft& sft = at.stage().sft();
    if (!sft.has_file()) return;
    const auto source = OpenDocuments(at.job, sft);
    if (source.ok()) return;
    errors->Add(ChildPath(at.settings_path(), "file"),
                source.status().message());
  }

  void Plan(const v1::Job&, const v1::Stage& stage,
            StagePlan* plan) const override {
    plan->steps = static_cast<uint64_t>(stage.sft().steps());
  }
};

}  // namespace

const StageKind& SftKind() {
  static const SftStage kKind;
  return kKind;
}

}  // namespace aha
