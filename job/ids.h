// The ids of the wire as values: a group, a version of the weights.  Code
// behind the wire uses these, since messages cannot be map keys or be compared.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/common.pb.h"

namespace aha {

// The most trajectories of a group; num_generations in job.proto has the same
// limit.
inline constexpr uint32_t kMaxGenerations = 1024;

// A group of trajectories (v1::GroupKey).  Orders groups as they are consumed.
struct GroupId {
  uint32_t stage = 0;
  uint64_t step = 0;
  uint32_t slot = 0;

  static GroupId Of(const v1::GroupKey& key) {
    return {key.stage(), key.step(), key.slot()};
  }
  v1::GroupKey ToProto() const {
    v1::GroupKey key;
    key.set_stage(stage);
    key.set_step(step);
    key.set_slot(slot);
    return key;
  }
  std::string ToString() const {
    return absl::StrCat("stage ", stage, " step ", step, " slot ", slot);
  }
  friend auto operator<=>(const GroupId&, const GroupId&) = default;
  template <class H>
  friend H AbslHashValue(H h, const GroupId& id) {
    return H::combine(std::move(h), id.stage, id.step, id.slot);
  }
};

// A version of the weights (v1::WeightsId): the weights after `version` steps
// of stage number `stage`, both counted from 0.  Orders versions as they are
// made.
struct WeightsId {
  uint32_t stage = 0;
  uint64_t version = 0;

  static WeightsId Of(const v1::WeightsId& id) {
    return {id.stage(), id.version()};
  }
  v1::WeightsId ToProto() const {
    v1::WeightsId id;
    id.set_stage(stage);
    id.set_version(version);
    return id;
  }
  // "1.30": version 30 of stage 1.
  std::string ToString() const { return absl::StrCat(stage, ".", version); }
  friend auto operator<=>(const WeightsId&, const WeightsId&) = default;
  template <class H>
  friend H AbslHashValue(H h, const WeightsId& id) {
    return H::combine(std::move(h), id.stage, id.version);
  }
};

}  // namespace aha
