// Reads and writes how a config.json describes rotary positions: rope_theta at
// the top and an object rope_scaling beside it, as transformers 4 wrote them,
// or one object rope_parameters that holds all, as transformers 5 does. The
// rules of precedence are transformers': an object rope_scaling that is not
// empty before rope_parameters, a value inside the object before the same at
// the top, rope_type before the older type.
//
// What Aha does not compute is UNIMPLEMENTED naming the field and its value.
// Internal to model/. Pure functions.
#pragma once

#include "absl/status/status.h"
#include "model/config.h"
#include "model/config_json.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

// Of a model that turns all layers alike. Absent fields leave *config's theta.
// REQUIRES: config->max_position_embeddings was read.
absl::Status ReadRope(const ConfigJson& json, ModelConfig* config);

// Of a model whose layers with a window turn otherwise than those without
// (Gemma 3): rope_parameters has an object for each of the two, or rope_theta,
// rope_scaling and rope_local_base_freq stand at the top.
absl::Status ReadRopeByLayer(const ConfigJson& json, ModelConfig* config);

// The value of rope_scaling; null for the default.
nlohmann::ordered_json RopeScalingJson(const RopeScaling& scaling);

}  // namespace aha
