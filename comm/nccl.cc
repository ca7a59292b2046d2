#include "comm/nccl.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"

namespace aha::comm {
namespace {

// A sum takes milliseconds; a look costs about a microsecond.
constexpr absl::Duration kPoll = absl::Microseconds(50);

// What an unfinished thing said when it was asked.
using Ask = std::function<absl::StatusOr<bool>()>;

// All ranks learn who cannot use NCCL, instead of waiting for it.
absl::Status AgreeThatAllCan(absl::string_view what, const absl::Status& mine,
                             Communicator& control) {
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> states,
                       control.AllGatherBytes(what, mine.message()));
  for (size_t rank = 0; rank < states.size(); ++rank) {
    if (states[rank].empty()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", rank, ": ", states[rank]));
  }
  return mine;
}

// What a communicator has of NCCL and CUDA.
struct Possessions {
  NcclApi::Comm comm = nullptr;
  NcclApi::Stream stream = nullptr;
  void* buffer = nullptr;  // Of the device, `bytes` large.
  size_t bytes = 0;

  bool empty() const {
    return comm == nullptr && stream == nullptr && buffer == nullptr;
  }
};

// Aborts NCCL and gives all back; false: that has not ended within `patience`,
// or could not begin.  NCCL promises no time, so that a thread of its own does
// it.  What never ends keeps what a kernel may still write to.
bool GiveBack(const NcclApi& api, int device, const Possessions& all,
              absl::Duration patience) {
  struct End {
    Mutex mutex;
    CondVar changed;
    bool reached ABSL_GUARDED_BY(mutex) = false;
  };
  const auto end = std::make_shared<End>();
  const auto give_back = [end, api, device, all] {
    api.set_device(device);
    if (all.comm != nullptr) api.comm_abort(all.comm);
    if (all.stream != nullptr) api.stream_destroy(all.stream);
    if (all.buffer != nullptr) api.free(all.buffer);
    MutexLock lock(end->mutex);
    end->reached = true;
    end->changed.NotifyAll();
  };
  try {
    std::thread(give_back).detach();
  } catch (const std::system_error&) {
    return false;  // No thread is to be had.
  }
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + patience;
  MutexLock lock(end->mutex);
  while (!end->reached) {
    const absl::Duration left = deadline - clock();
    if (left <= absl::ZeroDuration()) break;
    end->changed.WaitFor(end->mutex, left);
  }
  return end->reached;
}

class Nccl : public Communicator {
 public:
  Nccl(const NcclOptions& options, const NcclApi& api,
       std::unique_ptr<Communicator> control,
       std::unique_ptr<Communicator> inquest)
      : Communicator(options.gloo.group),
        api_(api),
        device_(options.device),
        // The others wait for this rank in the inquest, that long.
        patience_(std::min(options.inquest, options.gloo.group.timeout) / 2),
        control_(std::move(control)),
        inquest_(std::move(inquest)) {}

  ~Nccl() override {
    const absl::Status status = Quit();
    if (!status.ok()) {
      AHA_LOG(kWarning) << status.message();
    }
  }

  // With all ranks at once.
  absl::Status Init();

 private:
  absl::Status DoAllReduceSum(const Call& call,
                              absl::Span<int64_t> values) override;
  absl::StatusOr<std::vector<std::string>> DoAllGather(
      const Call& call, absl::string_view mine) override {
    return control_->AllGatherBytes(call.name, mine, call.timeout);
  }
  absl::StatusOr<std::vector<std::string>> DoGather(
      const Call& call, int root, absl::string_view mine) override {
    return control_->GatherBytes(call.name, root, mine);
  }
  absl::Status DoBarrier(const Call& call) override {
    return control_->Barrier(call.name);
  }
  void DoAbort() override {
    control_->Abort(Communicator::status());
    inquest_->Abort(Communicator::status());
  }

  absl::Status Cuda(int error, const char* call) const;
  absl::Status Result(int result, const char* call) const;
  // CUDA's current device is the thread's.
  absl::Status UseDevice() const {
    return Cuda(api_.set_device(device_), "cudaSetDevice");
  }
  absl::Status Reserve(size_t bytes);
  absl::Status Prepare(NcclUniqueId* id);
  absl::Status Start(const NcclUniqueId& id);
  // What the communicator's own threads ran into; true: nothing is under way.
  absl::StatusOr<bool> Settled() const;
  // All that was put on the stream is done.
  absl::StatusOr<bool> Drained() const;
  // Polls until `ask` is true.
  absl::Status Await(const Ask& ask, absl::Time deadline) const;
  absl::Status Sum(absl::Span<int64_t> values, absl::Time deadline);
  // Ends NCCL's part.
  absl::Status Quit();
  // Quits, and finds out who is still there.
  absl::Status BreakOff(const std::string& what, const absl::Status& why);

  const NcclApi api_;
  const int device_;
  const absl::Duration patience_;
  const std::unique_ptr<Communicator> control_;  // While all is well.
  const std::unique_ptr<Communicator> inquest_;  // Once it is not.
  Possessions own_;
};

absl::Status Nccl::Cuda(int error, const char* call) const {
  if (error == kCudaSuccess) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(call, ": ", api_.cuda_error_string(error)));
}

absl::Status Nccl::Result(int result, const char* call) const {
  if (result == kNcclSuccess || result == kNcclInProgress) {
    return absl::OkStatus();
  }
  const char* detail = api_.last_error(own_.comm);
  return absl::UnavailableError(absl::StrCat(
      call, ": ", api_.error_string(result),
      detail == nullptr || *detail == '\0' ? "" : ": ", detail ? detail : ""));
}

absl::StatusOr<bool> Nccl::Settled() const {
  int state = kNcclSuccess;
  AHA_RETURN_IF_ERROR(
      Result(api_.async_error(own_.comm, &state), "ncclCommGetAsyncError"));
  AHA_RETURN_IF_ERROR(Result(state, "NCCL"));
  return state == kNcclSuccess;
}

absl::StatusOr<bool> Nccl::Drained() const {
  AHA_RETURN_IF_ERROR(Settled().status());
  const int state = api_.stream_query(own_.stream);
  if (state == kCudaErrorNotReady) return false;
  AHA_RETURN_IF_ERROR(Cuda(state, "cudaStreamQuery"));
  return true;
}

absl::Status Nccl::Await(const Ask& ask, absl::Time deadline) const {
  const Clock clock = MonotonicClock();
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool done, ask());
    if (done) return absl::OkStatus();
    AHA_RETURN_IF_ERROR(Communicator::status());
    if (clock() >= deadline) {
      return absl::DeadlineExceededError("NCCL did not finish");
    }
    absl::SleepFor(kPoll);
  }
}

absl::Status Nccl::Quit() {
  const Possessions all = std::exchange(own_, {});
  if (all.empty() || GiveBack(api_, device_, all, patience_)) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      absl::StrCat("NCCL was not gone within ", absl::FormatDuration(patience_),
                   "; its memory is lost"));
}

absl::Status Nccl::BreakOff(const std::string& what, const absl::Status& why) {
  const absl::Status quit = Quit();
  // Asked to stop: nobody needs to be found.
  AHA_RETURN_IF_ERROR(Communicator::status());
  const absl::Status answers =
      inquest_->AllGatherBytes(what.substr(0, 30), "").status();
  return absl::Status(
      why.code(),
      absl::StrCat(what, ": ", why.message(), quit.ok() ? "" : "; ",
                   quit.message(), "; ",
                   answers.ok() ? "every rank answers" : answers.message()));
}

absl::Status Nccl::Prepare(NcclUniqueId* id) {
  AHA_RETURN_IF_ERROR(UseDevice());
  AHA_RETURN_IF_ERROR(
      Cuda(api_.stream_create(&own_.stream, kCudaStreamNonBlocking),
           "cudaStreamCreateWithFlags"));
  if (rank() != 0) return absl::OkStatus();
  return Result(api_.get_unique_id(id), "ncclGetUniqueId");
}

absl::Status Nccl::Start(const NcclUniqueId& id) {
  const absl::Time deadline = MonotonicClock()() + options().timeout;
  NcclConfig config;
  AHA_RETURN_IF_ERROR(
      Result(api_.comm_init(&own_.comm, size(), id, rank(), &config),
             "ncclCommInitRankConfig"));
  return Await([this] { return Settled(); }, deadline);
}

absl::Status Nccl::Init() {
  NcclUniqueId id{};
  // Whoever cannot begin says so before the others wait for it in NCCL.
  AHA_RETURN_IF_ERROR(AgreeThatAllCan("nccl device", Prepare(&id), *control_));
  AHA_ASSIGN_OR_RETURN(
      const std::string name,
      control_->Broadcast("nccl id", 0,
                          absl::string_view(id.bytes, sizeof(id.bytes))));
  std::memcpy(id.bytes, name.data(), std::min(name.size(), sizeof(id.bytes)));
  const absl::Status started = Start(id);
  return started.ok() ? started : BreakOff("NCCL's start", started);
}

absl::Status Nccl::Reserve(size_t bytes) {
  if (bytes <= own_.bytes) return absl::OkStatus();
  if (own_.buffer != nullptr) {
    AHA_RETURN_IF_ERROR(
        Cuda(api_.free(std::exchange(own_.buffer, nullptr)), "cudaFree"));
    own_.bytes = 0;
  }
  AHA_RETURN_IF_ERROR(Cuda(api_.allocate(&own_.buffer, bytes), "cudaMalloc"));
  own_.bytes = bytes;
  return absl::OkStatus();
}

absl::Status Nccl::Sum(absl::Span<int64_t> values, absl::Time deadline) {
  const size_t bytes = values.size() * sizeof(int64_t);
  AHA_RETURN_IF_ERROR(UseDevice());
  AHA_RETURN_IF_ERROR(Reserve(bytes));
  AHA_RETURN_IF_ERROR(Cuda(api_.copy(own_.buffer, values.data(), bytes,
                                     kCudaMemcpyHostToDevice, own_.stream),
                           "cudaMemcpyAsync"));
  AHA_RETURN_IF_ERROR(
      Result(api_.all_reduce(own_.buffer, own_.buffer, values.size(),
                             kNcclInt64, kNcclSum, own_.comm, own_.stream),
             "ncclAllReduce"));
  // A non-blocking communicator may still be setting up connections.
  AHA_RETURN_IF_ERROR(Await([this] { return Settled(); }, deadline));
  const Ask drained = [this] { return Drained(); };
  // Not before the sum is there: a sum that hangs must leave nothing behind
  // that writes to `values` later.
  AHA_RETURN_IF_ERROR(Await(drained, deadline));
  AHA_RETURN_IF_ERROR(Cuda(api_.copy(values.data(), own_.buffer, bytes,
                                     kCudaMemcpyDeviceToHost, own_.stream),
                           "cudaMemcpyAsync"));
  return Await(drained, deadline);
}

absl::Status Nccl::DoAllReduceSum(const Call& call,
                                  absl::Span<int64_t> values) {
  const absl::Time deadline = MonotonicClock()() + Left(call);
  AHA_ASSIGN_OR_RETURN(
      const std::vector<std::string> counts,
      control_->AllGatherBytes(call.name, absl::StrCat(values.size())));
  for (size_t rank = 0; rank < counts.size(); ++rank) {
    if (counts[rank] == absl::StrCat(values.size())) continue;
    return absl::InternalError(absl::StrCat(
        Describe(call), ": ranks disagree: this one has ", values.size(),
        " values, rank ", rank, " has ", counts[rank]));
  }
  if (values.empty()) return absl::OkStatus();
  const absl::Status status = Sum(values, deadline);
  return status.ok() ? status : BreakOff(Describe(call), status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> ConnectNccl(
    const NcclOptions& options) {
  AHA_RETURN_IF_ERROR(options.gloo.group.Validate());
  if (options.gloo.group.size == 1) return NewSingle();
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                       ConnectGloo(options.gloo));
  GlooOptions last = options.gloo;
  last.group.timeout = std::min(options.inquest, last.group.timeout);
  absl::StrAppend(&last.rendezvous_directory, "-inquest");
  last.hear_all = true;
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> inquest,
                       ConnectGloo(last));
  const absl::StatusOr<NcclApi> api = LoadNccl(options.libraries);
  AHA_RETURN_IF_ERROR(
      AgreeThatAllCan("nccl libraries", api.status(), *control));
  auto nccl = std::make_unique<Nccl>(options, *api, std::move(control),
                                     std::move(inquest));
  AHA_RETURN_IF_ERROR(nccl->Init());
  return nccl;
}

}  // namespace aha::comm
