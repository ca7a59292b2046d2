// The CPU bodies of route.h. A row's softmax is summed in double in the order
// of the experts, or of the ranks where it is over the chosen ones, with +, *
// and / alone (scalar_math.h).
#include <algorithm>

#include "ops/route.h"
#include "ops/rows.h"
#include "ops/scalar_math.h"

namespace aha::ops {
namespace {

constexpr int64_t kExpCost = 64;  // The cost of one ExpOf, in multiply-adds.

// Inserts the experts one by one into chosen [active], the largest logit first.
// An expert is inserted behind equals, so the lower one stays in front.
void ChooseExperts(const float* logits, int64_t experts, int64_t active,
                   int32_t* chosen) {
  for (int64_t e = 0; e < experts; ++e) {
    int64_t at = std::min(e, active);
    while (at > 0 && logits[e] > logits[chosen[at - 1]]) --at;
    if (at == active) continue;
    for (int64_t k = std::min(e, active - 1); k > at; --k) {
      chosen[k] = chosen[k - 1];
    }
    chosen[at] = static_cast<int32_t>(e);
  }
}

// The largest logit and the sum of e^(logit - largest) over all experts.
struct SoftmaxOfAll {
  double most, sum;
};
SoftmaxOfAll SumAll(const float* logits, int64_t experts) {
  SoftmaxOfAll all{logits[0], 0};
  for (int64_t e = 1; e < experts; ++e) {
    all.most = std::max(all.most, double{logits[e]});
  }
  for (int64_t e = 0; e < experts; ++e) {
    all.sum += ExpOf(logits[e] - all.most);
  }
  return all;
}

void RouteRow(const RouteArgs& a, int64_t r) {
  const float* logits = a.logits + r * a.experts;
  int32_t* chosen = a.chosen + r * a.active;
  float* weights = a.weights + r * a.active;
  ChooseExperts(logits, a.experts, a.active, chosen);
  SoftmaxOfAll of{logits[chosen[0]], 0};
  if (a.rule == RouteWeights::kOfAll) {
    of = SumAll(logits, a.experts);
  } else {
    for (int64_t k = 0; k < a.active; ++k) {
      of.sum += ExpOf(logits[chosen[k]] - of.most);
    }
  }
  for (int64_t k = 0; k < a.active; ++k) {
    weights[k] =
        static_cast<float>(ExpOf(logits[chosen[k]] - of.most) / of.sum);
  }
}

void RouteGradRow(const RouteGradArgs& a, int64_t r) {
  const float* logits = a.logits + r * a.experts;
  const int32_t* chosen = a.chosen + r * a.active;
  const float* weights = a.weights + r * a.active;
  const float* dweights = a.dweights + r * a.active;
  const int64_t row = r * a.experts;
  double mean = 0;
  for (int64_t k = 0; k < a.active; ++k) {
    mean += double{weights[k]} * dweights[k];
  }
  if (a.rule == RouteWeights::kOfAll) {
    const SoftmaxOfAll of = SumAll(logits, a.experts);
    for (int64_t e = 0; e < a.experts; ++e) {
      const double p = ExpOf(logits[e] - of.most) / of.sum;
      StoreElement(a.dlogits, row + e, static_cast<float>(-p * mean), a.dtype);
    }
  } else {
    for (int64_t e = 0; e < a.experts; ++e) {
      StoreElement(a.dlogits, row + e, 0, a.dtype);
    }
  }
  for (int64_t k = 0; k < a.active; ++k) {
    StoreElement(a.dlogits, row + chosen[k],
                 static_cast<float>(weights[k] * (dweights[k] - mean)),
                 a.dtype);
  }
}

}  // namespace

void Route(const CpuContext& context, const RouteArgs& a) {
  ForRows(context, a.rows, a.experts * (a.active + kExpCost),
          [&](int64_t r) { RouteRow(a, r); });
}

void RouteGrad(const CpuContext& context, const RouteGradArgs& a) {
  ForRows(context, a.rows, a.experts * kExpCost,
          [&](int64_t r) { RouteGradRow(a, r); });
}

void GroupByExpert(const CpuContext&, const GroupByExpertArgs& a) {
  const int64_t pairs = a.rows * a.active;
  std::fill_n(a.begins, a.experts + 1, int64_t{0});
  for (int64_t i = 0; i < pairs; ++i) ++a.begins[a.chosen[i] + 1];
  for (int64_t e = 0; e < a.experts; ++e) a.begins[e + 1] += a.begins[e];
  // begins[e] counts up to where expert e + 1 begins, and is then moved back.
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t slot = a.begins[a.chosen[i]]++;
    a.slots[i] = static_cast<int32_t>(slot);
    a.pairs[slot] = static_cast<int32_t>(i);
  }
  for (int64_t e = a.experts; e > 0; --e) a.begins[e] = a.begins[e - 1];
  a.begins[0] = 0;
}

}  // namespace aha::ops
