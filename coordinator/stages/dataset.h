// Dataset writes the JSON Lines file of a sample stage: one line for each
// completion, in order of slot and sample.  Use it where groups arrive in any
// order, the file must have the same bytes every time, and a crash may happen
// between any two lines.
//
//   1. Resume verifies that the file begins with the bytes that were recorded
//      (DatasetRecord).  If it does not, the data set begins again, empty.
//   2. Add takes the group of a slot, once.  It is held as text until the
//      groups of all lower slots are in the file.
//   3. Save appends what can be appended and syncs the file.  Only then may the
//      caller record() it: what is recorded survives a crash of the machine.
//   4. What was appended but not recorded before a crash is cut off by the
//      first Save afterwards, and sampled again to the same bytes.
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

// The lines of a group (run/dataset.h).  REQUIRES: logprobs holds 4 bytes for
// each token.
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
  // The number of slots, from 0, whose groups are in the file.
  uint32_t slots() const { return static_cast<uint32_t>(record_.prompts); }
  // Bytes of text of the groups that are held because a lower slot is missing
  // or the disk refused them.
  uint64_t held_bytes() const { return held_bytes_; }
  // The highest slot whose group is held.  REQUIRES: held_bytes() > 0.
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
  // Opens the file, creating it if needed, and truncates it to record_.bytes.
  absl::Status OpenFile();
  absl::Status AppendNext();

  const std::string path_;
  const uint32_t stage_;
  int fd_ = -1;  // Opened by the first Save.
  DatasetRecord record_;
  std::unique_ptr<Hasher>
      hasher_;          // Hashes the first record_.bytes of the file.
  bool synced_ = true;  // The first record_.bytes are on disk.
  std::map<uint32_t, Held> held_;  // By slot.
  uint64_t held_bytes_ = 0;
};

}  // namespace aha::coordinator
