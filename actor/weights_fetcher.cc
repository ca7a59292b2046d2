#include "actor/weights_fetcher.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/weights.grpc.pb.h"
#include "base/backoff.h"
#include "base/log.h"
#include "base/status.h"
#include "rpc/client.h"

namespace aha::actor {

WeightsFetcher::WeightsFetcher(rpc::Client* client, WeightExchange* exchange,
                               std::function<uint64_t()> epoch,
                               absl::Duration patience,
                               WeightsFetcherEvents events)
    : client_(client),
      exchange_(exchange),
      epoch_(std::move(epoch)),
      patience_(patience),
      events_(std::move(events)) {
  thread_ = std::thread([this] { Run(); });
}

WeightsFetcher::~WeightsFetcher() { Stop(); }

void WeightsFetcher::Stop() {
  stop_.Cancel();
  exchange_->Wake();
  if (thread_.joinable()) thread_.join();
}

void WeightsFetcher::Run() {
  while (!stop_.cancelled()) {
    const std::optional<WeightsId> id =
        exchange_->WaitForWanted(absl::Minutes(1));
    if (!id.has_value()) continue;
    const absl::Status status = Fetch(*id);
    if (status.ok() || absl::IsCancelled(status) || stop_.cancelled()) continue;
    AHA_LOG(kError) << status.ToString();
    events_.failed(status);
    stop_.SleepFor(absl::Seconds(1));
  }
}

absl::Status WeightsFetcher::Fetch(const WeightsId& id) {
  absl::Time began = clock_();  // When the wait for the next byte began.
  std::optional<WeightAssembler> assembler;
  uint64_t epoch = 0;
  const uint64_t jitter_key = JitterKey(client_->address());
  int failures = 0;  // Since the last byte.
  for (;;) {
    if (!assembler.has_value() || epoch_() != epoch) {
      epoch = epoch_();
      assembler.emplace(
          id, epoch, absl::StrCat("the coordinator at ", client_->address()));
    }
    const uint64_t before = assembler->offset();
    const absl::Status status = Continue(id, *assembler);
    if (assembler->whole()) {
      exchange_->Put(id, assembler->Take());
      events_.arrived();
      return absl::OkStatus();
    }
    if (!exchange_->Wanted(id) || stop_.cancelled()) {
      return absl::CancelledError("no longer wanted");
    }
    if (absl::IsUnimplemented(status)) return status;
    if (absl::IsDataLoss(status)) events_.mismatched();
    AHA_LOG(kWarning) << "weights " << id.ToString() << " at byte "
                      << assembler->offset() << ": " << status.ToString();
    if (assembler->offset() > before) {
      failures = 0;
      began = clock_();
    }
    const absl::Duration wait = kCallBackoff.Wait(failures++, jitter_key);
    if (clock_() - began + wait > patience_) {
      return absl::DeadlineExceededError(absl::StrCat(
          "weights ", id.ToString(), " did not come from the coordinator at ",
          client_->address(), " for ",
          absl::FormatDuration(absl::Trunc(clock_() - began, absl::Seconds(1))),
          "; last answer: ", status.ToString()));
    }
    stop_.SleepFor(wait);
  }
}

absl::Status WeightsFetcher::Continue(const WeightsId& id,
                                      WeightAssembler& assembler) {
  v1::FetchRequest request;
  *request.mutable_id() = id.ToProto();
  request.set_offset(assembler.offset());
  const auto stream = client_->Open(&v1::Weights::Stub::Fetch, request,
                                    {.deadline = patience_, .cancel = &stop_});
  v1::WeightsChunk chunk;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool more, stream->Read(&chunk));
    if (!more) break;
    events_.received(chunk.data().size());
    AHA_RETURN_IF_ERROR(assembler.Add(chunk));
    if (!exchange_->Wanted(id)) return absl::CancelledError("no longer wanted");
  }
  return assembler.whole() ? absl::OkStatus()
                           : absl::UnavailableError(
                                 "the stream ended before the weights did");
}

}  // namespace aha::actor
