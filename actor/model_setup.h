// What a job's `model` section stands for, as far as an actor needs it: shape,
// number format and tokenizer.  The weights come from the coordinator.
//
// The same mapping as the learner's; the certificate of both says so.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "model/config.h"
#include "model/tokenizer.h"
#include "tensor/dtype.h"

namespace aha::actor {

struct ModelSetup {
  ModelConfig config;
  DType dtype = DType::kF32;
  std::unique_ptr<Tokenizer> tokenizer;
};

absl::StatusOr<ModelSetup> SetUpModel(const v1::Model& model);

}  // namespace aha::actor
