#include "ops/head.h"

#include "absl/strings/str_cat.h"

namespace aha::ops {

absl::StatusOr<PackedHead> PackedHead::Create(const Context& context,
                                              int64_t vocab, int64_t hidden,
                                              DType dtype) {
  if (vocab < 1 || hidden < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a head must have at least 1 token and 1 column, got ",
                     vocab, " x ", hidden));
  }
  absl::StatusOr<std::unique_ptr<Storage>> storage =
      context.Visit([&](const auto& device) {
        return NewHeadStorage(device, vocab, hidden, dtype);
      });
  if (!storage.ok()) return storage.status();
  return PackedHead(vocab, hidden, dtype, *std::move(storage));
}

void PackedHead::Pack(const Context& context, const void* w) {
  context.Visit(
      [&](const auto& device) { PackInto(device, w, storage_.get()); });
}

}  // namespace aha::ops
