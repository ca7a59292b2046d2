#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/ref.h"
#include "ops/route.h"

namespace aha::ops {
namespace {

// The experts of one row by descending logit, then by number.
std::vector<int32_t> RefOrder(const float* logits, int64_t experts) {
  std::vector<int32_t> order;
  std::vector<bool> taken(static_cast<size_t>(experts));
  while (static_cast<int64_t>(order.size()) < experts) {
    int64_t best = -1;
    for (int64_t e = 0; e < experts; ++e) {
      if (taken[static_cast<size_t>(e)]) continue;
      if (best < 0 || logits[e] > logits[best]) best = e;
    }
    taken[static_cast<size_t>(best)] = true;
    order.push_back(static_cast<int32_t>(best));
  }
  return order;
}

// The softmax over all experts of a row.
std::vector<double> RefSoftmax(const float* logits, int64_t experts) {
  const double most = *std::max_element(logits, logits + experts);
  std::vector<double> p(static_cast<size_t>(experts));
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e) {
    p[static_cast<size_t>(e)] = std::exp(logits[e] - most);
    sum += p[static_cast<size_t>(e)];
  }
  for (double& x : p) x /= sum;
  return p;
}

}  // namespace

void Route(const ReferenceContext&, const RouteArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* logits = a.logits + r * a.experts;
    const std::vector<int32_t> order = RefOrder(logits, a.experts);
    const std::vector<double> p = RefSoftmax(logits, a.experts);
    double sum = 0;
    for (int64_t k = 0; k < a.active; ++k) {
      sum += p[static_cast<size_t>(order[static_cast<size_t>(k)])];
    }
    if (a.rule == RouteWeights::kOfAll) sum = 1;
    for (int64_t k = 0; k < a.active; ++k) {
      const int32_t expert = order[static_cast<size_t>(k)];
      a.chosen[r * a.active + k] = expert;
      a.weights[r * a.active + k] =
          static_cast<float>(p[static_cast<size_t>(expert)] / sum);
    }
  }
}

void RouteGrad(const ReferenceContext&, const RouteGradArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* logits = a.logits + r * a.experts;
    const int32_t* chosen = a.chosen + r * a.active;
    // q is the softmax whose gradient is taken: zero outside of what it is
    // over.
    std::vector<double> q = RefSoftmax(logits, a.experts);
    std::vector<double> dq(q.size());
    double sum = 0;
    for (int64_t k = 0; k < a.active; ++k) {
      const size_t expert = static_cast<size_t>(chosen[k]);
      dq[expert] = a.dweights[r * a.active + k];
      sum += q[expert];
    }
    if (a.rule == RouteWeights::kOfChosen) {
      const std::vector<double> p = q;
      std::fill(q.begin(), q.end(), 0.0);
      for (int64_t k = 0; k < a.active; ++k) {
        const size_t expert = static_cast<size_t>(chosen[k]);
        q[expert] = p[expert] / sum;
      }
    }
    double mean = 0;
    for (size_t e = 0; e < q.size(); ++e) mean += q[e] * dq[e];
    for (size_t e = 0; e < q.size(); ++e) {
      RefStore(a.dlogits, r * a.experts + static_cast<int64_t>(e),
               q[e] * (dq[e] - mean), a.dtype);
    }
  }
}

void GroupByExpert(const ReferenceContext&, const GroupByExpertArgs& a) {
  int64_t slot = 0;
  for (int64_t e = 0; e < a.experts; ++e) {
    a.begins[e] = slot;
    for (int64_t pair = 0; pair < a.rows * a.active; ++pair) {
      if (a.chosen[pair] != e) continue;
      a.pairs[slot] = static_cast<int32_t>(pair);
      a.slots[pair] = static_cast<int32_t>(slot++);
    }
  }
  a.begins[a.experts] = slot;
}

}  // namespace aha::ops
