#include "model/blocks/block.h"

#include <algorithm>

namespace aha {

void CarveActivations(absl::Span<const Activation> activations,
                      std::initializer_list<ActivationUse> uses, int64_t rows,
                      Carver* carver, ActivationBuffers* buffers) {
  for (size_t i = 0; i < activations.size(); ++i) {
    const Activation& activation = activations[i];
    if (std::find(uses.begin(), uses.end(), activation.use) == uses.end()) {
      continue;
    }
    buffers->at[i] = carver->Bytes(rows * activation.row_bytes);
  }
}

}  // namespace aha
