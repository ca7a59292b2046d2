// What a job's `model` section stands for: shape, number format, tokenizer and
// starting weights.  Actors and learners share it, so both see one model.
//
// Pure functions of the job, the files it names and, for dtype auto, the CPU.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "device/dtype.h"
#include "model/config.h"
#include "model/parameters.h"
#include "text/tokenizer.h"

namespace aha {

struct ModelSetup {
  ModelConfig config;
  DType dtype = DType::kF32;
  std::unique_ptr<Tokenizer> tokenizer;
  // What a model directory holds beside config.json and the weights: file name
  // and content.
  std::vector<std::pair<std::string, std::string>> tokenizer_files;
};

// INVALID_ARGUMENT: the section, or the model directory's files, weights
// excepted.
absl::StatusOr<ModelSetup> SetUpModel(const v1::Model& model);

// The weights that the job's first stage begins with.
absl::StatusOr<Parameters> StartingWeights(const v1::Job& job,
                                           const ModelSetup& setup);

}  // namespace aha
