#include "coordinator/weights_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/weights_encoding.h"
#include "rpc/finish.h"
#include "rpc/status.h"

namespace aha::coordinator {
namespace {

// A stream of weights that is open: it keeps its job, which can cancel it.
class Transfer {
 public:
  Transfer(JobSlot::Ref job, grpc::CallbackServerContext* context)
      : job_(std::move(job)), context_(context) {
    job_->transfers().Add(context_);
  }
  ~Transfer() { job_->transfers().Remove(context_); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Controller& controller() { return job_->controller(); }
  WeightsStore& store() { return job_->weights(); }

 private:
  const JobSlot::Ref job_;
  grpc::CallbackServerContext* const context_;
};

}  // namespace

class WeightsService::Publisher
    : public grpc::ServerReadReactor<v1::WeightsChunk> {
 public:
  Publisher(JobSlot::Ref job, grpc::CallbackServerContext* context)
      : transfer_(std::move(job), context) {
    StartRead(&chunk_);
  }

 private:
  void OnReadDone(bool ok) override {
    const absl::Status status = ok ? Take() : End();
    if (absl::IsDataLoss(status)) {
      transfer_.controller().series().digest_mismatches.Increment();
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
    transfer_.controller().series().weights_received.Increment(
        static_cast<double>(chunk_.data().size()));
    return incoming_->Append(chunk_.offset(), chunk_.data(),
                             chunk_.data_hash());
  }

  absl::Status Begin() {
    if (chunk_.total_bytes() == 0 || chunk_.total_bytes() > kMaxWeightsBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("total_bytes: must be 1 to ", kMaxWeightsBytes, ", got ",
                       chunk_.total_bytes()));
    }
    AHA_ASSIGN_OR_RETURN(const Hash128 checksum,
                         Hash128::FromBytes(chunk_.checksum()));
    const WeightsId id = WeightsId::Of(chunk_.id());
    epoch_ = chunk_.epoch();
    member_id_ = chunk_.member_id();
    AHA_RETURN_IF_ERROR(
        transfer_.controller().AdmitVersion(id, member_id_, epoch_));
    AHA_ASSIGN_OR_RETURN(
        incoming_, transfer_.store().Begin(id, {.bytes = chunk_.total_bytes(),
                                                .checksum = checksum}));
    return absl::OkStatus();
  }

  absl::Status End() {
    if (incoming_ == nullptr) {
      return absl::InvalidArgumentError("the stream ended without a chunk");
    }
    const WeightsId id = incoming_->id();
    // Another member may have become rank 0 during the transfer.
    AHA_RETURN_IF_ERROR(
        transfer_.controller().AdmitVersion(id, member_id_, epoch_));
    AHA_RETURN_IF_ERROR(transfer_.store().Finish(std::move(incoming_)));
    return transfer_.controller().VersionArrived(id);
  }

  Transfer transfer_;
  v1::WeightsChunk chunk_;
  uint64_t epoch_ = 0;
  uint64_t member_id_ = 0;
  std::unique_ptr<IncomingVersion> incoming_;
};

class WeightsService::Fetcher
    : public grpc::ServerWriteReactor<v1::WeightsChunk> {
 public:
  Fetcher(JobSlot::Ref job, grpc::CallbackServerContext* context,
          const v1::FetchRequest& request)
      : transfer_(std::move(job), context), offset_(request.offset()) {
    absl::StatusOr<std::unique_ptr<VersionReader>> reader =
        transfer_.store().Read(WeightsId::Of(request.id()));
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
    chunk_.set_epoch(transfer_.controller().epoch());
    chunk_.set_total_bytes(reader_->info().bytes);
    chunk_.set_checksum(reader_->info().checksum.ToBytes());
    Next();
  }

 private:
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    transfer_.controller().PieceSent();
    transfer_.controller().series().weights_sent.Increment(
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

  Transfer transfer_;
  uint64_t offset_;
  std::unique_ptr<VersionReader> reader_;
  v1::WeightsChunk chunk_;
};

grpc::ServerReadReactor<v1::WeightsChunk>* WeightsService::Publish(
    grpc::CallbackServerContext* context, v1::PublishResponse*) {
  absl::StatusOr<JobSlot::Ref> job = slot_.Get();
  if (!job.ok()) {
    return rpc::Refuse<grpc::ServerReadReactor<v1::WeightsChunk>>(job.status());
  }
  return new Publisher(*std::move(job), context);
}

grpc::ServerWriteReactor<v1::WeightsChunk>* WeightsService::Fetch(
    grpc::CallbackServerContext* context, const v1::FetchRequest* request) {
  absl::StatusOr<JobSlot::Ref> job = slot_.Get();
  if (!job.ok()) {
    return rpc::Refuse<grpc::ServerWriteReactor<v1::WeightsChunk>>(
        job.status());
  }
  return new Fetcher(*std::move(job), context, *request);
}

}  // namespace aha::coordinator
