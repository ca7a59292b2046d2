// Checkpoints on disk: writing one whole or not at all, reading one whole or
// refusing it.
//
//   checkpoints/step-000030/
//     model/config.json, model.safetensors, tokenizer files   (Hugging Face)
//     optimizer.safetensors     master, m, v (F32, flat, in layout order)
//     previous.safetensors      the version before, if the stage's lag needs it
//     reference.safetensors     the stage's first policy, if beta > 0
//     manifest.json             last
//
// A checkpoint is built in checkpoints/.partial-<name> and renamed when its
// manifest is there and synced, so a name never holds half a checkpoint, and a
// failed attempt (disk full) costs nothing but itself.
//
// Thread-compatible.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "job/model_setup.h"
#include "learner/model_state.h"
#include "run/manifest.h"

namespace aha::learner {

// "step-000030" if the stage is the only one of the job whose steps consume
// groups, else "<name of the stage>-step-000030".  Also names rollout files.
std::string StepName(const v1::Job& job, uint32_t stage, uint64_t step);

// Where a learner stands between two steps.
struct Position {
  uint32_t stage = 0;
  uint64_t next_step = 0;
  bool stage_done = false;
  Hash128 chain;             // Job checksum so far.
  Hash128 weights_checksum;  // Of the current weights.
  uint64_t num_tokens = 0;   // Trained on so far.
};

// "checkpoints/<StepName>", relative to the run directory.
std::string CheckpointPath(const v1::Job& job, const Position& position);

// What a checkpoint is made of.  Borrows all of it.
struct CheckpointParts {
  const v1::Job& job;
  const ModelSetup& setup;
  const ModelState& state;
  const Position& position;
  uint32_t world_size;
};

// Writes directory CheckpointPath under `run_directory`; its path
// relative to it.  A complete checkpoint of the same position is kept as it
// is.  RESOURCE_EXHAUSTED: the disk is full; nothing is left behind.
absl::StatusOr<std::string> WriteCheckpoint(const std::string& run_directory,
                                            const CheckpointParts& of);

struct LoadedCheckpoint {
  Manifest manifest;
  SavedState state;
};

// Verifies every part first.  DATA_LOSS: a part or the manifest was changed.
// FAILED_PRECONDITION: of another job or number format.
absl::StatusOr<LoadedCheckpoint> LoadCheckpoint(const std::string& directory,
                                                const v1::Job& job,
                                                const ModelSetup& setup);

// Removes the checkpoints that earlier processes left half-written.  For rank 0
// when it begins: a process that still writes there has been replaced by it.
void RemovePartialCheckpoints(const std::string& run_directory);

// Removes complete checkpoints except the `keep` latest up to `position`, and
// what failed attempts left.  Later checkpoints stay: they are from before the
// job went back, and will be written again.
absl::Status RemoveOldCheckpoints(const std::string& run_directory, int keep,
                                  const Position& position);

}  // namespace aha::learner
