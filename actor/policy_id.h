// v1::WeightsId and v1::GroupKey as values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "aha/v1/common.pb.h"

namespace aha::actor {

struct PolicyId {
  uint32_t stage = 0;
  uint64_t version = 0;

  static PolicyId Of(const v1::WeightsId& id) {
    return {id.stage(), id.version()};
  }
  v1::WeightsId ToProto() const {
    v1::WeightsId id;
    id.set_stage(stage);
    id.set_version(version);
    return id;
  }
  std::string ToString() const {
    return absl::StrCat("stage ", stage, " version ", version);
  }
  friend auto operator<=>(const PolicyId&, const PolicyId&) = default;
};

// Compares in the order in which groups are wanted.
struct GroupId {
  uint32_t stage = 0;
  uint64_t step = 0;
  uint32_t slot = 0;

  static GroupId Of(const v1::GroupKey& key) {
    return {key.stage(), key.step(), key.slot()};
  }
  std::string ToString() const {
    return absl::StrCat("stage ", stage, " step ", step, " slot ", slot);
  }
  friend auto operator<=>(const GroupId&, const GroupId&) = default;
};

}  // namespace aha::actor
