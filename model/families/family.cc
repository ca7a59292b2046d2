#include "model/families/family.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "model/families/gemma3.h"
#include "model/families/llama.h"
#include "model/families/mistral.h"
#include "model/families/mixtral.h"
#include "model/families/qwen2.h"
#include "model/families/qwen3.h"
#include "model/families/qwen3_moe.h"

namespace aha {

NormRule PlainNorm(const ModelConfig& config) {
  return {.epsilon = config.rms_norm_eps};
}

double PlainEmbedding(const ModelConfig&) { return 1; }

absl::Span<const Family* const> Families() {
  static const Family* const kFamilies[] = {
      &Gemma3Family(), &LlamaFamily(), &MistralFamily(),  &MixtralFamily(),
      &Qwen2Family(),  &Qwen3Family(), &Qwen3MoeFamily(),
  };
  return kFamilies;
}

std::string FamilyNames() {
  std::string names;
  const absl::Span<const Family* const> families = Families();
  for (size_t i = 0; i < families.size(); ++i) {
    const char* before = i == 0 ? "" : i + 1 == families.size() ? " or " : ", ";
    absl::StrAppend(&names, before, families[i]->model_type);
  }
  return names;
}

const Family* FindFamily(absl::string_view model_type) {
  for (const Family* family : Families()) {
    if (family->model_type == model_type) return family;
  }
  return nullptr;
}

const Family& FamilyOf(const ModelConfig& config) {
  const Family* family = FindFamily(config.model_type);
  if (family == nullptr) std::abort();  // The caller's bug: see REQUIRES.
  return *family;
}

}  // namespace aha
