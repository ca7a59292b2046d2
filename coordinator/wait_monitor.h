// What a job waits for, since when, and when it has waited too long.
//
// A job that cannot continue is not stuck silently: what is missing is named in
// its status and counted by aha_wait_seconds_total, and what stays missing for
// cluster.wait_seconds fails the job with a line that says what it was.
//
//   1. The caller says what the job needs and what is there (WaitFacts), and
//      gets what is missing (Missing).
//   2. It passes that to Check a few times a second; Check gives the reason to
//      fail the job once something was missing for too long.
//   3. Some waits have nothing that is missing: the groups of a stage that this
//      process collects are on their way, or they are not.  CheckMovement finds
//      that nothing has moved for too long.
//   4. Skip takes the place of both while the job may rest (a pause, its end),
//      and Restart begins all waits again (another state, another stage).
//
// Usage:
//
//   WaitMonitor waits(plan.wait, series.waits, clock());
//   const std::vector<Wait> missing = waits.Missing(facts);
//   if (const auto why = waits.Check(now, missing)) Fail(*why);
//
// Thread-compatible: callers lock.  Time comes in as arguments.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "metrics/registry.h"

namespace aha::coordinator {

// One thing that the job cannot continue without.
struct Wait {
  std::string what;  // A name of Series::waits: "learners", "actors", ...
  std::string text;  // For people: "an actor (12 groups to sample)".
};

// What the running stage needs, and what of it is there.
struct WaitFacts {
  // A rollback looks for the newest checkpoint that verifies; nothing else is
  // waited for meanwhile.
  bool rolling_back = false;
  // The ranks that are not there, as text; "" if all are.
  std::string missing_learners = {};
  // The stage continues without learners: its weights are published.
  bool learners_done = false;
  bool samples = false;  // The stage has groups for actors.
  uint64_t groups_to_sample = 0;
  uint64_t actors = 0;
  uint64_t reward_replicas = 0;
  // The weights that the stage begins with, as text, while rank 0 has not
  // published them; else "".
  std::string missing_weights = {};
};

class WaitMonitor {
 public:
  // `limit`: cluster.wait_seconds.  `seconds`: the counters of waited seconds,
  // by Wait::what; what has no counter is not counted.
  WaitMonitor(absl::Duration limit,
              std::map<std::string, metrics::Counter> seconds, absl::Time now)
      : limit_(limit), seconds_(std::move(seconds)), last_check_(now) {}

  // What is missing, in the order in which people should look.
  std::vector<Wait> Missing(const WaitFacts& facts) const;

  // The reason to fail the job, if one of `missing` is missing for longer than
  // the limit.
  std::optional<std::string> Check(absl::Time now,
                                   const std::vector<Wait>& missing);
  // Whether `progress` is unchanged for longer than the limit.  Not watched,
  // time does not count.
  bool CheckMovement(absl::Time now, bool watched);
  void Skip(absl::Time now);
  void Restart();

  // Something moved: a member did work, or work arrived.
  void AddProgress(uint64_t units = 1) { progress_ += units; }
  // It grows while anything moves; learners that wait for groups wait longer
  // while it does.
  uint64_t progress() const { return progress_; }

  // Keeps what the store says.  While it answers UNAVAILABLE (a full disk), it
  // is one of the things that are missing; its next other answer ends that.
  // True if this is when it stopped taking records.
  bool NoteStore(const absl::Status& status);

  absl::Duration limit() const { return limit_; }

 private:
  const absl::Duration limit_;
  const std::map<std::string, metrics::Counter> seconds_;
  absl::Time last_check_;
  std::map<std::string, absl::Time> missing_since_;  // By Wait::what.
  uint64_t progress_ = 0;
  struct Stall {
    uint64_t progress = 0;
    absl::Time since;
  };
  std::optional<Stall> stall_;  // While movement is watched.
  std::string disk_failure_;    // "": the store takes records.
};

}  // namespace aha::coordinator
