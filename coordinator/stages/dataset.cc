#include "coordinator/stages/dataset.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "job/scored_group.h"
#include "run/dataset.h"

namespace aha::coordinator {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

// A disk that does not take what a job needs may take it later.
absl::Status NotTaken(const absl::Status& status) {
  return absl::UnavailableError(status.message());
}

run::DatasetLine LineOf(const v1::GroupContext& context,
                        const v1::ScoredTrajectory& scored) {
  const v1::Trajectory& trajectory = scored.trajectory();
  run::DatasetLine line;
  line.prompt_id = context.prompt_id();
  line.prompt = context.prompt();
  line.reference = context.reference();
  line.completion = trajectory.completion();
  line.token_ids.assign(trajectory.token_ids().begin(),
                        trajectory.token_ids().end());
  line.prompt_token_ids.assign(context.prompt_token_ids().begin(),
                               context.prompt_token_ids().end());
  line.logprobs = LogProbsOf(trajectory);
  line.finish_reason = FinishReasonText(trajectory);
  if (!scored.parts().empty()) line.reward = scored.reward();
  for (const v1::RewardPart& part : scored.parts()) {
    line.rewards.emplace_back(part.name(), part.value());
  }
  line.sample = trajectory.sample();
  line.policy_version = context.policy().version();
  return line;
}

}  // namespace

std::string DatasetLines(const v1::ScoredGroup& group) {
  std::string text;
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    text += run::ToText(LineOf(group.context(), scored));
  }
  return text;
}

Dataset::Dataset(std::string path, uint32_t stage)
    : path_(std::move(path)),
      stage_(stage),
      record_{.stage = stage},
      hasher_(std::make_unique<Hasher>()) {}

Dataset::~Dataset() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Dataset::HashFile(const DatasetRecord& record,
                               Hasher* hasher) const {
  AHA_ASSIGN_OR_RETURN(FileReader file, FileReader::Open(path_));
  std::string piece;
  for (uint64_t left = record.bytes; left > 0; left -= piece.size()) {
    piece.resize(std::min(left, kPieceBytes));
    AHA_RETURN_IF_ERROR(file.Read(piece.data(), piece.size()));
    hasher->Raw(piece.data(), piece.size());
  }
  if (hasher->Finish() == record.checksum) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      path_, ": its first ", record.bytes, " bytes have checksum ",
      hasher->Finish().Hex(), ", not ", record.checksum.Hex(), " as recorded"));
}

absl::Status Dataset::Resume(const DatasetRecord& record) {
  auto hasher = std::make_unique<Hasher>();
  if (const absl::Status held = HashFile(record, hasher.get()); !held.ok()) {
    return absl::DataLossError(held.message());
  }
  record_ = record;
  hasher_ = std::move(hasher);
  return absl::OkStatus();
}

void Dataset::Add(uint32_t slot, const v1::ScoredGroup& group) {
  Held held{.lines = DatasetLines(group)};
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    ++held.completions;
    held.tokens += static_cast<uint64_t>(scored.trajectory().token_ids_size());
    held.reward_sum += scored.reward();
  }
  held_bytes_ += held.lines.size();
  held_.emplace(slot, std::move(held));
}

absl::Status Dataset::OpenFile() {
  const std::filesystem::path directory =
      std::filesystem::path(path_).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return FileError("cannot make", directory, error.value());
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) return FileError("cannot open", path_, errno);
  // What stands behind it was appended but not recorded before a crash.
  if (ftruncate(fd_, static_cast<off_t>(record_.bytes)) != 0) {
    const int refused = errno;
    close(std::exchange(fd_, -1));
    return FileError("cannot cut", path_, refused);
  }
  return SyncPath(directory);
}

absl::Status Dataset::AppendNext() {
  const Held& next = held_.begin()->second;
  absl::string_view left = next.lines;
  uint64_t at = record_.bytes;
  while (!left.empty()) {
    const ssize_t put =
        pwrite(fd_, left.data(), left.size(), static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    // What was written of it is written again at the same place.
    if (put < 0) return FileError("cannot write", path_, errno);
    at += static_cast<uint64_t>(put);
    left.remove_prefix(static_cast<size_t>(put));
  }
  hasher_->Raw(next.lines.data(), next.lines.size());
  ++record_.prompts;
  record_.completions += next.completions;
  record_.tokens += next.tokens;
  record_.reward_sum += next.reward_sum;
  record_.bytes = at;
  record_.checksum = hasher_->Finish();
  held_bytes_ -= next.lines.size();
  held_.erase(held_.begin());
  synced_ = false;
  return absl::OkStatus();
}

absl::Status Dataset::Save() {
  if (!HasUnsaved()) return absl::OkStatus();
  if (fd_ < 0) {
    if (const absl::Status opened = OpenFile(); !opened.ok()) {
      return NotTaken(opened);
    }
  }
  while (NextIsHeld()) {
    if (const absl::Status written = AppendNext(); !written.ok()) {
      return NotTaken(written);
    }
  }
  if (fdatasync(fd_) != 0) {
    return NotTaken(FileError("cannot sync", path_, errno));
  }
  synced_ = true;
  return absl::OkStatus();
}

}  // namespace aha::coordinator
