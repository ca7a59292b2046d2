#include "model/blocks/environment.h"

#include "base/status.h"

namespace aha {

absl::StatusOr<std::shared_ptr<WeightMatrix>> BlockEnvironment::Matrix(
    int64_t k, int64_t n) {
  if (lean()) {
    if (const auto it = lent_.find({k, n}); it != lent_.end()) {
      return it->second;
    }
  }
  AHA_ASSIGN_OR_RETURN(ops::PackedMatrix matrix,
                       ops::PackedMatrix::Create(context(), k, n, dtype_));
  auto made =
      std::make_shared<WeightMatrix>(WeightMatrix{.matrix = std::move(matrix)});
  if (lean()) lent_[{k, n}] = made;
  return made;
}

std::shared_ptr<const ops::RopeTable> BlockEnvironment::Rope(
    const RopeShape& shape) {
  std::shared_ptr<const ops::RopeTable>& table = ropes_[shape];
  if (table == nullptr) {
    table = std::make_shared<const ops::RopeTable>(
        shape.max_positions, RopeFrequencies(shape.rope, shape.head_dim),
        shape.rope.scaling.attention_factor);
  }
  return table;
}

}  // namespace aha
