// A checkpoint's manifest: what makes a directory a complete checkpoint.
//
//   step-000030/model/...          parts, written first
//   step-000030/optimizer.safetensors
//   step-000030/manifest.json      written last: temporary, fsync, rename
//
// A directory without a manifest is not a checkpoint.  A part whose size or
// checksum differs from the manifest makes the whole checkpoint unusable, and
// so does a change of the manifest, which holds its own checksum; the caller
// goes back to the one before.  Everything read is validated: paths stay inside
// the directory, numbers are in range, unknown keys are errors.
//
// Shared by the learner, which writes, and the coordinator, which decides from
// which checkpoint a job continues.  Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "run/layout.h"

namespace aha {

struct ManifestPart {
  std::string path;  // Relative to the checkpoint's directory.
  uint64_t bytes = 0;
  Hash128 checksum;  // XXH3-128 of the file.

  friend bool operator==(const ManifestPart&, const ManifestPart&) = default;
};

struct Manifest {
  std::string job;          // Its name.
  Hash128 job_fingerprint;  // Hash of everything that decides the result.
  uint32_t stage = 0;       // Index into the job's stages.
  std::string stage_name;
  uint64_t next_step = 0;    // Steps of the stage that are contained.
  bool stage_done = false;   // next_step is the stage's last + 1.
  uint32_t world_size = 1;   // Ranks that made it; any number may load it.
  std::string dtype;         // Format of the weights: "BF16" or "F32".
  Hash128 weights_checksum;  // Checksum of model/model.safetensors.
  Hash128 chain;             // Job checksum after next_step steps.
  // With lag 1 step next_step is sampled with version next_step - 1, so that
  // version is a part too (previous.safetensors).  Zero if it is not needed.
  Hash128 previous_checksum;
  uint64_t num_tokens = 0;          // Trained on so far, over all stages.
  std::string job_text;             // The resolved job, for people.
  std::vector<ManifestPart> parts;  // Sorted by path.

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

using run::kManifestFile;

// NOT_FOUND: no manifest, the checkpoint was never completed.  DATA_LOSS: it
// is there but is not what WriteManifest wrote.
absl::StatusOr<Manifest> ReadManifest(const std::string& directory);
// The same of its text; `path` stands in errors.
absl::StatusOr<Manifest> ParseManifest(absl::string_view text,
                                       const std::string& path);

// Reads every part and compares size and checksum.  DATA_LOSS, naming the
// part, its size or checksum found and expected.
absl::Status VerifyParts(const std::string& directory,
                         const Manifest& manifest);

// Durable when it returns OK: file and directory are synced.
absl::Status WriteManifest(const std::string& directory,
                           const Manifest& manifest);

// Size and checksum of directory/path, read in pieces.
absl::StatusOr<ManifestPart> MeasurePart(const std::string& directory,
                                         const std::string& path);

}  // namespace aha
