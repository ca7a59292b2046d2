// Writes checkpoints, each whole or not at all, and reads them back, each whole
// or not at all.
//
//   checkpoints/step-000030/
//     model/config.json, model.safetensors, tokenizer files   (Hugging Face)
//     optimizer.safetensors     master, m, v (F32, flat, in layout order)
//     previous.safetensors      the version before, if the stage's lag needs it
//     reference.safetensors     the stage's first policy, if beta > 0
//     manifest.json             last
//
// The ranks of a set of N > 1 write the optimizer's state in N files,
// optimizer-00001-of-00003.safetensors and so on; the header of each says which
// elements it holds ("begin", "end" and "count" under __metadata__).  A rank of
// any other number of ranks reads the ranges that it needs.
//
// Writing is a protocol of all ranks:
//
//   1. Rank 0 makes checkpoints/.partial-<name> and tells the others its path,
//      or that a complete checkpoint of this position exists already.
//   2. Every rank writes its shard of the optimizer's state into it, and syncs.
//   3. Rank 0 gathers the sizes and checksums of the shards.
//   4. Rank 0 writes the rest, the manifest last, and renames the directory.
//
// So a directory with a checkpoint's name is always complete, and a failed
// attempt (disk full on any rank) leaves nothing behind.
//
// Thread-compatible.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "comm/communicator.h"
#include "job/model_setup.h"
#include "learner/model_state.h"
#include "run/manifest.h"

namespace aha::learner {

// "step-000030" if the stage is the only one of the job whose steps consume
// groups, else "<name of the stage>-step-000030".  Also names rollout files.
std::string StepNameOf(const v1::Job& job, uint32_t stage, uint64_t step);

// The position of a learner between two steps.
struct TrainingPosition {
  uint32_t stage = 0;
  uint64_t next_step = 0;
  bool stage_done = false;
  Hash128 chain;             // Job checksum so far.
  Hash128 weights_checksum;  // Checksum of the current weights.
  uint64_t num_tokens = 0;   // Trained on so far.
};

// "checkpoints/<StepNameOf>", relative to the run directory.
std::string CheckpointPath(const v1::Job& job,
                           const TrainingPosition& position);

// What a checkpoint is made of, as this rank holds it.  Borrows all of it.
struct CheckpointParts {
  const v1::Job& job;
  const ModelSetup& setup;
  const ModelState& state;
  const TrainingPosition& position;
};

// Writes directory CheckpointPath under `run_directory`, which all ranks see,
// and returns its path relative to that.  A complete checkpoint of the same
// position is kept as it is.
//
// Collective.  On rank 0 OK means that the checkpoint is complete; on another
// rank, that its shard is written.  RESOURCE_EXHAUSTED: the disk is full;
// nothing is left behind.  If `comm` failed, comm.status() has the error.
absl::StatusOr<std::string> WriteCheckpoint(const std::string& run_directory,
                                            const CheckpointParts& of,
                                            comm::Communicator& comm);

struct LoadedCheckpoint {
  Manifest manifest;
  SavedState state;
};

// Verifies every part, then reads the part of the state that a rank with this
// place keeps, whatever the number of ranks that wrote it.  DATA_LOSS: a part
// or the manifest was changed, or the optimizer's files do not hold every
// element. FAILED_PRECONDITION: the checkpoint is of another job or number
// format.
absl::StatusOr<LoadedCheckpoint> LoadCheckpoint(const std::string& directory,
                                                const v1::Job& job,
                                                const ModelSetup& setup,
                                                const Sharding& sharding);

// Removes the partial checkpoints of processes that ended while they wrote.
// Rank 0 calls it as it begins: no earlier rank 0 has any authority then.
void RemovePartialCheckpoints(const std::string& run_directory);

// Removes complete checkpoints except for the `keep` latest up to `position`,
// and partial ones.  Checkpoints beyond `position`, which were written before
// the job went back, stay: they will be written again.
absl::Status RemoveOldCheckpoints(const std::string& run_directory, int keep,
                                  const TrainingPosition& position);

}  // namespace aha::learner
