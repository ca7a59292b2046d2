#include "actor/weight_assembler.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/weights_encoding.h"

namespace aha::actor {

absl::Status WeightAssembler::Check(const v1::WeightsChunk& chunk) const {
  const WeightsId id = WeightsId::Of(chunk.id());
  if (id != id_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights chunk: id must be ", id_.ToString(), ", got ", id.ToString()));
  }
  if (chunk.epoch() != epoch_) {
    return absl::FailedPreconditionError(
        absl::StrCat("weights chunk of ", id_.ToString(), ": epoch must be ",
                     epoch_, ", got ", chunk.epoch()));
  }
  AHA_RETURN_IF_ERROR(CheckEncoding(chunk, sender_));
  if (chunk.total_bytes() == 0 || chunk.total_bytes() > kMaxWeightsBytes ||
      (buffer_.has_value() && chunk.total_bytes() != total_)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights chunk of ", id_.ToString(), ": total_bytes must be 1 to ",
        kMaxWeightsBytes, " and never change, got ", chunk.total_bytes()));
  }
  if (chunk.offset() != offset_ || chunk.data().empty() ||
      chunk.data().size() > kMaxWeightsChunk ||
      chunk.data().size() > chunk.total_bytes() - offset_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights chunk of ", id_.ToString(), ": 1 to ", kMaxWeightsChunk,
        " bytes must follow at offset ", offset_, " of ", chunk.total_bytes(),
        ", got ", chunk.data().size(), " at ", chunk.offset()));
  }
  if (Hash64(chunk.data().data(), chunk.data().size()) != chunk.data_hash()) {
    return absl::DataLossError(absl::StrCat("weights chunk of ", id_.ToString(),
                                            " at offset ", offset_,
                                            ": data_hash does not agree"));
  }
  return absl::OkStatus();
}

absl::Status WeightAssembler::Add(const v1::WeightsChunk& chunk) {
  AHA_RETURN_IF_ERROR(Check(chunk));
  AHA_ASSIGN_OR_RETURN(const Hash128 checksum,
                       Hash128::FromBytes(chunk.checksum()));
  if (!buffer_.has_value()) {
    AHA_ASSIGN_OR_RETURN(buffer_, WeightBuffer::New(chunk.total_bytes()));
    total_ = chunk.total_bytes();
    checksum_ = checksum;
  } else if (checksum != checksum_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights chunk of ", id_.ToString(), ": checksum must stay ",
        checksum_.Hex(), ", got ", checksum.Hex()));
  }
  std::memcpy(buffer_->data() + offset_, chunk.data().data(),
              chunk.data().size());
  offset_ += chunk.data().size();
  if (offset_ < total_) return absl::OkStatus();
  const Hash128 found = HashBytes(buffer_->data(), total_);
  if (found == checksum_) return absl::OkStatus();
  buffer_.reset();
  offset_ = 0;
  return absl::DataLossError(
      absl::StrCat("weights ", id_.ToString(), ": checksum must be ",
                   checksum_.Hex(), ", is ", found.Hex()));
}

WeightBuffer WeightAssembler::Take() {
  WeightBuffer buffer = *std::move(buffer_);
  buffer_.reset();
  offset_ = 0;
  return buffer;
}

}  // namespace aha::actor
