// v1::GroupKey as a value that can key a map and be printed.
//
// Compares in the order in which groups are wanted.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/common.pb.h"

namespace aha {

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

}  // namespace aha
