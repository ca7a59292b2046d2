// v1::WeightsId as a value.
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

}  // namespace aha::actor
