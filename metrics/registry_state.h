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
  std::shared_ptr<prometheus::Collectable>
      process;  // The process's own series.
};

}  // namespace aha::metrics
