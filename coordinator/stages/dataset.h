// A data set of completions as a JSON Lines file: one line a completion, in
// order of slot and sample, whatever the order in which the groups come.
//
//   1. Resume compares the file with what was recorded of it (DatasetRecord)
//      and cuts it there.  A file that is not there, or differs, begins anew.
//   2. Add takes the group of a slot, once.  It is held as text until the
//      groups of all lower slots are in the file.
//   3. Save appends what can be appended and syncs the file.  Only then may the
//      caller record() it: what is recorded survives a crash of the machine.
//   4. What was appended but not recorded is cut off by the next Resume, and
//      sampled again to the same bytes.
//
// Usage:
//
//   Dataset dataset(run_directory + "/datasets/answers.jsonl", stage);
//   dataset.Resume(record);                     // If there is one.
//   dataset.Add(slot, group);
//   AHA_RETURN_IF_ERROR(dataset.Save());
//   AHA_RETURN_IF_ERROR(store.PutDataset(dataset.record(), seconds));
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "aha/v1/rollout.pb.h"
#include "base/hash.h"
#include "coordinator/state_store.h"

namespace aha::coordinator {

// The lines of a group (run/dataset.h).  REQUIRES: logprobs holds 4 bytes a
// token.
std::string DatasetLines(const v1::ScoredGroup& group);

class Dataset {
 public:
  Dataset(std::string path, uint32_t stage);
  ~Dataset();
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  // DATA_LOSS: the file does not begin with what was recorded; the data set
  // is empty then.  Reads as much of the file as was recorded.
  absl::Status Resume(const DatasetRecord& record);

  // REQUIRES: the slot was not added before and is at least slots().
  void Add(uint32_t slot, const v1::ScoredGroup& group);

  // Writes the groups up to the first that is missing, and syncs the file.
  // UNAVAILABLE: the disk did not take them; they are kept for the next call.
  absl::Status Save();
  // Whether a Save would write something.
  bool HasUnsaved() const { return !synced_ || NextIsHeld(); }

  // What the file holds for certain, after a Save that was OK.
  const DatasetRecord& record() const { return record_; }
  // The groups of slots below it are in the file.
  uint32_t slots() const { return static_cast<uint32_t>(record_.prompts); }
  // Text of groups that wait for a lower slot or for the disk.
  uint64_t held_bytes() const { return held_bytes_; }
  // The highest slot among them.  REQUIRES: held_bytes() > 0.
  uint32_t highest_held() const { return held_.rbegin()->first; }

 private:
  struct Held {
    std::string lines;
    uint64_t completions = 0;
    uint64_t tokens = 0;
    double reward_sum = 0;
  };

  bool NextIsHeld() const {
    return !held_.empty() && held_.begin()->first == slots();
  }
  absl::Status HashFile(const DatasetRecord& record, Hasher* hasher) const;
  // Makes the file and cuts it behind what the record says.
  absl::Status OpenFile();
  absl::Status AppendNext();

  const std::string path_;
  const uint32_t stage_;
  int fd_ = -1;  // Opened by the first Save.
  DatasetRecord record_;
  std::unique_ptr<Hasher> hasher_;  // Of the first record_.bytes of the file.
  bool synced_ = true;              // The file, up to there.
  std::map<uint32_t, Held> held_;   // By slot.
  uint64_t held_bytes_ = 0;
};

}  // namespace aha::coordinator
