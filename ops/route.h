// Routing of rows to experts, as sparse feed-forward networks need it (Shazeer
// et al. 2017; Mixtral, Qwen3-MoE): each row goes to the experts with its
// largest logits, with weights that a softmax of the logits gives.
//
// Of equal logits that of the lower expert is the larger one, so that the
// choice of a row is a function of its logits alone. A logit that is not a
// number never makes a choice invalid: the experts of a row are always
// different ones, and the weights are then no numbers either.
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

// How logits become weights.
enum class RouteWeights {
  kOfAll,     // The softmax over all experts.
  kOfChosen,  // The softmax over the row's experts, so that they sum to 1.
};

struct RouteArgs {
  const float* logits;  // [rows, experts]
  int32_t* chosen;      // [rows, active]: experts, the largest logit first
  float* weights;       // [rows, active]
  int64_t rows, experts, active;  // active <= experts
  RouteWeights rule;
};
void Route(const CpuContext& context, const RouteArgs& args);
void Route(const ReferenceContext&, const RouteArgs& args);
inline void Route(const Context& context, const RouteArgs& args) {
  context.Visit([&](const auto& device) { Route(device, args); });
}

// The choice itself has no gradient; the weights' goes through the softmax.
struct RouteGradArgs {
  const float* logits;    // [rows, experts], as forward
  const int32_t* chosen;  // [rows, active], of forward
  const float* weights;   // [rows, active], of forward
  const float* dweights;  // [rows, active]
  void* dlogits;          // [rows, experts], dtype (it feeds GEMMs only)
  int64_t rows, experts, active;
  RouteWeights rule;
  DType dtype;
};
void RouteGrad(const CpuContext& context, const RouteGradArgs& args);
void RouteGrad(const ReferenceContext&, const RouteGradArgs& args);
inline void RouteGrad(const Context& context, const RouteGradArgs& args) {
  context.Visit([&](const auto& device) { RouteGrad(device, args); });
}

// Orders the pairs of a row and one of its experts by expert and then by row.
// Pair number `row * active + rank` gets a slot; an expert's slots stand side
// by side, so that its rows can be multiplied at once.
struct GroupByExpertArgs {
  const int32_t* chosen;  // [rows, active]
  int32_t* slots;         // [rows * active]: the slot of each pair
  int32_t* pairs;         // [rows * active]: the pair of each slot
  int64_t* begins;        // [experts + 1]: where the slots of each begin
  int64_t rows, experts, active;
};
void GroupByExpert(const CpuContext& context, const GroupByExpertArgs& args);
void GroupByExpert(const ReferenceContext&, const GroupByExpertArgs& args);
inline void GroupByExpert(const Context& context,
                          const GroupByExpertArgs& args) {
  context.Visit([&](const auto& device) { GroupByExpert(device, args); });
}

}  // namespace aha::ops
