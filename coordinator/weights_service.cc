#include "coordinator/weights_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/weights_encoding.h"
#include "rpc/status.h"

namespace aha::coordinator {
namespace {

constexpr uint64_t kMostBytesOfWeights = uint64_t{1} << 40;

}  // namespace

class WeightsService::Publisher
    : public grpc::ServerReadReactor<v1::WeightsChunk> {
 public:
  Publisher(Controller& controller, WeightsStore& store)
      : controller_(controller), store_(store) {
    StartRead(&chunk_);
  }

 private:
  void OnReadDone(bool ok) override {
    const absl::Status status = ok ? Take() : End();
    if (absl::IsDataLoss(status)) {
      controller_.series().digest_mismatches.Increment();
    }
    if (ok && status.ok()) {
      StartRead(&chunk_);
    } else {
      Finish(rpc::ToGrpc(status));
    }
  }
  void OnDone() override { delete this; }

  absl::Status Take() {
    AHA_RETURN_IF_ERROR(
        CheckEncoding(chunk_, absl::StrCat("member ", chunk_.member_id())));
    if (incoming_ == nullptr) AHA_RETURN_IF_ERROR(Begin());
    const VersionInfo& info = incoming_->info();
    if (WeightsId::Of(chunk_.id()) != incoming_->id() ||
        chunk_.epoch() != epoch_ || chunk_.member_id() != member_id_ ||
        chunk_.total_bytes() != info.bytes ||
        chunk_.checksum() != info.checksum.ToBytes()) {
      return absl::InvalidArgumentError(
          absl::StrCat("id, epoch, member_id, total_bytes, checksum: must be "
                       "those of the first chunk, the chunk at offset ",
                       chunk_.offset(), " has others"));
    }
    controller_.series().weights_received.Increment(
        static_cast<double>(chunk_.data().size()));
    return incoming_->Append(chunk_.offset(), chunk_.data(),
                             chunk_.data_hash());
  }

  absl::Status Begin() {
    if (chunk_.total_bytes() == 0 ||
        chunk_.total_bytes() > kMostBytesOfWeights) {
      return absl::InvalidArgumentError(
          absl::StrCat("total_bytes: must be 1 to ", kMostBytesOfWeights,
                       ", got ", chunk_.total_bytes()));
    }
    AHA_ASSIGN_OR_RETURN(const Hash128 checksum,
                         Hash128::FromBytes(chunk_.checksum()));
    const WeightsId id = WeightsId::Of(chunk_.id());
    epoch_ = chunk_.epoch();
    member_id_ = chunk_.member_id();
    AHA_RETURN_IF_ERROR(controller_.AdmitVersion(id, member_id_, epoch_));
    AHA_ASSIGN_OR_RETURN(incoming_,
                         store_.Begin(id, {.bytes = chunk_.total_bytes(),
                                           .checksum = checksum}));
    return absl::OkStatus();
  }

  absl::Status End() {
    if (incoming_ == nullptr) {
      return absl::InvalidArgumentError("the stream ended without a chunk");
    }
    const WeightsId id = incoming_->id();
    // Another member may have become rank 0 during the transfer.
    AHA_RETURN_IF_ERROR(controller_.AdmitVersion(id, member_id_, epoch_));
    AHA_RETURN_IF_ERROR(store_.Finish(std::move(incoming_)));
    return controller_.VersionArrived(id);
  }

  Controller& controller_;
  WeightsStore& store_;
  v1::WeightsChunk chunk_;
  uint64_t epoch_ = 0;
  uint64_t member_id_ = 0;
  std::unique_ptr<IncomingVersion> incoming_;
};

class WeightsService::Fetcher
    : public grpc::ServerWriteReactor<v1::WeightsChunk> {
 public:
  Fetcher(Controller& controller, const WeightsStore& store,
          const v1::FetchRequest& request)
      : controller_(controller), offset_(request.offset()) {
    absl::StatusOr<std::unique_ptr<VersionReader>> reader =
        store.Read(WeightsId::Of(request.id()));
    if (!reader.ok()) {
      Finish(rpc::ToGrpc(reader.status()));
      return;
    }
    reader_ = *std::move(reader);
    if (offset_ > reader_->info().bytes) {
      Finish(rpc::ToGrpc(absl::InvalidArgumentError(
          absl::StrCat("offset: must be at most ", reader_->info().bytes,
                       ", got ", offset_))));
      return;
    }
    *chunk_.mutable_id() = request.id();
    chunk_.set_encoding(v1::WEIGHTS_ENCODING_FULL);
    chunk_.set_epoch(controller.epoch());
    chunk_.set_total_bytes(reader_->info().bytes);
    chunk_.set_checksum(reader_->info().checksum.ToBytes());
    Next();
  }

 private:
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    controller_.PieceSent();
    controller_.series().weights_sent.Increment(
        static_cast<double>(chunk_.data().size()));
    offset_ += chunk_.data().size();
    Next();
  }
  void OnDone() override { delete this; }

  void Next() {
    std::string* data = chunk_.mutable_data();
    const absl::Status read = reader_->Read(offset_, data);
    if (!read.ok() || data->empty()) return Finish(rpc::ToGrpc(read));
    chunk_.set_offset(offset_);
    chunk_.set_data_hash(Hash64(data->data(), data->size()));
    StartWrite(&chunk_);
  }

  Controller& controller_;
  uint64_t offset_;
  std::unique_ptr<VersionReader> reader_;
  v1::WeightsChunk chunk_;
};

grpc::ServerReadReactor<v1::WeightsChunk>* WeightsService::Publish(
    grpc::CallbackServerContext*, v1::PublishResponse*) {
  return new Publisher(controller_, store_);
}

grpc::ServerWriteReactor<v1::WeightsChunk>* WeightsService::Fetch(
    grpc::CallbackServerContext*, const v1::FetchRequest* request) {
  return new Fetcher(controller_, store_, *request);
}

}  // namespace aha::coordinator
