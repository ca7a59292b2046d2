#include "ops/matmul.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace aha::ops {

absl::StatusOr<PackedMatrix> PackedMatrix::Create(const Context& context,
                                                  int64_t k, int64_t n,
                                                  DType dtype) {
  if (k < 1 || n < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a matrix must have at least 1 row and 1 column, got ", k, " x ", n));
  }
  absl::StatusOr<std::unique_ptr<Storage>> storage =
      context.Visit([&](const auto& device) {
        return NewMatrixStorage(device, k, n, dtype);
      });
  if (!storage.ok()) return storage.status();
  return PackedMatrix(k, n, dtype, *std::move(storage));
}

void PackedMatrix::Pack(const Context& context, const void* w, Source source) {
  context.Visit(
      [&](const auto& device) { PackInto(device, w, source, storage_.get()); });
}

}  // namespace aha::ops
