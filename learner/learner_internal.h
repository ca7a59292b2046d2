// Shared by the learner's translation units: learner.cc (stage by stage),
// learner_steps.cc (step by step), learner_state.cc (what a checkpoint holds).
#pragma once

#include <string>

#include "learner/learner.h"

namespace aha::learner {

template <class Body>
auto Learner::Waiting(const std::string& what, const std::string& shown,
                      Body&& body) {
  cluster_.SetWaitingFor(shown);
  const absl::Time start = options_.clock();
  auto result = body();
  if (gauges_.waited) gauges_.waited(what, options_.clock() - start);
  cluster_.SetWaitingFor("");
  return result;
}

inline absl::Status VoidStep() {
  return absl::AbortedError("what was under way is void");
}

}  // namespace aha::learner
