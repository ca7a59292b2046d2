// A Cluster that records what it receives and answers as the test says, for
// tests of one class of the learner.
//
// Thread-compatible, except SetWaitingFor and Report.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "job/ids.h"
#include "learner/cluster.h"

namespace aha::learner {

class RecordingCluster : public Cluster {
 public:
  // What BeginStep answers, step by step; by default GO.
  std::function<absl::StatusOr<v1::BeginStepResponse::Go>(uint64_t step)> go;
  absl::Status commit_answer;             // What CommitStep returns.
  absl::Status commit_checkpoint_answer;  // What CommitCheckpoint returns.

  std::vector<v1::CommitStepRequest> commits;
  std::vector<v1::CommitCheckpointRequest> checkpoints;
  std::vector<WeightsId> published;
  std::vector<std::string> reports;  // "fatal: ..." or "note: ...".
  std::vector<std::string> awaited;  // Every text of SetWaitingFor.

  absl::StatusOr<v1::NextStageResponse> NextStage() override {
    return v1::NextStageResponse();
  }
  absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(uint32_t,
                                                      uint64_t step) override {
    if (go) return go(step);
    return v1::BeginStepResponse::GO;
  }
  absl::StatusOr<uint64_t> Progress(uint32_t, uint64_t) override { return 0; }
  absl::Status CommitStep(v1::CommitStepRequest request) override {
    commits.push_back(std::move(request));
    return commit_answer;
  }
  absl::Status CommitCheckpoint(v1::CommitCheckpointRequest request) override {
    checkpoints.push_back(std::move(request));
    return commit_checkpoint_answer;
  }
  absl::Status Publish(const WeightsId& id, const Parameters&,
                       const Hash128&) override {
    published.push_back(id);
    return absl::OkStatus();
  }
  void Report(bool fatal, const std::string& message) override {
    MutexLock lock(mutex_);
    reports.push_back(absl::StrCat(fatal ? "fatal: " : "note: ", message));
  }
  uint64_t epoch() const override { return 1; }
  void SetWaitingFor(const std::string& what) override {
    MutexLock lock(mutex_);
    awaited.push_back(what);
  }

 private:
  Mutex mutex_;
};

}  // namespace aha::learner
