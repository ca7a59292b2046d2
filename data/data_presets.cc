#include "data/data_presets.h"

namespace aha {

absl::Span<const DataPreset> DataPresets() {
  static const auto* const table = new std::vector<DataPreset>{
      {.name = "gsm8k",
       .help = "GSM8K: the answer stands behind #### in the worked solution.",
       .fields =
           {.prompt = "question", .answer = "answer", .id = "", .system = ""},
       .extract = {.after = "####", .boxed = false, .regex = ""}},
      {.name = "math",
       .help = "MATH and MATH-500: the answer is in the last \\boxed{} of the "
               "worked solution.",
       .fields =
           {.prompt = "problem", .answer = "solution", .id = "", .system = ""},
       .extract = {.after = "", .boxed = true, .regex = ""}},
      {.name = "dapo_math",
       .help = "DAPO-Math-17k: verl's rows, with a conversation that asks for "
               "the answer in the last line.",
       .fields = {.prompt = "prompt",
                  .answer = "reward_model.ground_truth",
                  .id = "",
                  .system = ""},
       .extract = {}},
      {.name = "messages",
       .help = "Conversations: the assistant's last turn is the reference.",
       .fields = {.prompt = "messages", .answer = "", .id = "", .system = ""},
       .extract = {}},
      {.name = "verl",
       .help = "verl's rows: a conversation and "
               "reward_model.ground_truth; data_source and extra_info stay "
               "fields of the prompt.",
       .fields = {.prompt = "prompt",
                  .answer = "reward_model.ground_truth",
                  .id = "",
                  .system = ""},
       .extract = {}},
      {.name = "trl",
       .help = "TRL's rows: prompt is a text or a conversation, and solution "
               "is the reference.",
       .fields =
           {.prompt = "prompt", .answer = "solution", .id = "", .system = ""},
       .extract = {}},
  };
  return *table;
}

const DataPreset* FindDataPreset(absl::string_view name) {
  for (const DataPreset& preset : DataPresets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

}  // namespace aha
