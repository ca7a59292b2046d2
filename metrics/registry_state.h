// What a Registry holds.  Internal to metrics/: the endpoint serves it, too.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/registry.h>

#include <memory>

#include "metrics/registry.h"

namespace aha::metrics {

struct Registry::State {
  // Both are shared because the endpoint keeps weak references.
  std::shared_ptr<prometheus::Registry> registry =
      std::make_shared<prometheus::Registry>(
          prometheus::Registry::InsertBehavior::Merge);
  // The process's own series; null if it does not show them.
  std::shared_ptr<prometheus::Collectable> process;
};

}  // namespace aha::metrics
