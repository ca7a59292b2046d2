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

// A sum takes milliseconds; a poll costs about a microsecond.
constexpr absl::Duration kPoll = absl::Microseconds(50);

// Asks whether something asynchronous has finished, or how it failed.
using Poll = std::function<absl::StatusOr<bool>()>;

// Tells all ranks which one cannot use NCCL, so that none waits for it.
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

// What a communicator holds of NCCL and CUDA.
struct Resources {
  NcclApi::Comm comm = nullptr;
  NcclApi::Stream stream = nullptr;
  void* buffer = nullptr;  // On the device.
  size_t bytes = 0;        // Size of the buffer.

  bool empty() const {
    return comm == nullptr && stream == nullptr && buffer == nullptr;
  }
};

// Aborts NCCL and releases its resources.  Returns false if that did not finish
// within `patience`, or could not begin.  ncclCommAbort has no deadline, so a
// thread of its own calls it; if it never returns, the memory that a kernel may
// still write to stays allocated.
bool Release(const NcclApi& api, int device, const Resources& all,
             absl::Duration patience) {
  struct End {
    Mutex mutex;
    CondVar changed;
    bool reached ABSL_GUARDED_BY(mutex) = false;
  };
  const auto end = std::make_shared<End>();
  const auto release = [end, api, device, all] {
    api.set_device(device);
    if (all.comm != nullptr) api.comm_abort(all.comm);
    if (all.stream != nullptr) api.stream_destroy(all.stream);
    if (all.buffer != nullptr) api.free(all.buffer);
    MutexLock lock(end->mutex);
    end->reached = true;
    end->changed.NotifyAll();
  };
  try {
    std::thread(release).detach();
  } catch (const std::system_error&) {
    return false;  // The system has no thread left.
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
       std::unique_ptr<Communicator> diagnosis)
      : Communicator(options.gloo.ranks),
        api_(api),
        device_(options.device),
        // Half, because the others wait for this rank in the diagnosis.
        patience_(std::min(options.diagnosis, options.gloo.ranks.timeout) / 2),
        control_(std::move(control)),
        diagnosis_(std::move(diagnosis)) {}

  ~Nccl() override {
    const absl::Status status = Quit();
    if (!status.ok()) {
      AHA_LOG(kWarning) << status.message();
    }
  }

  // Collective: all ranks call it at the same time.
  absl::Status Init();

 private:
  absl::Status DoAllReduceSum(const Call& call,
                              absl::Span<int64_t> values) override;
  absl::Status DoReduceScatterSum(const Call& call, absl::Span<int64_t> values,
                                  absl::Span<const Shard> shards) override;
  absl::Status DoAllGather(const Call& call, absl::Span<char> bytes,
                           absl::Span<const Shard> shards) override;
  absl::StatusOr<std::vector<std::string>> DoAllGatherBytes(
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
    diagnosis_->Abort(Communicator::status());
  }

  absl::Status Cuda(int error, const char* call) const;
  absl::Status Result(int result, const char* call) const;
  // CUDA keeps a current device for each thread.
  absl::Status UseDevice() const {
    return Cuda(api_.set_device(device_), "cudaSetDevice");
  }
  absl::Status Reserve(size_t bytes);
  absl::Status Prepare(NcclUniqueId* id);
  absl::Status Start(const NcclUniqueId& id);
  // Whether the communicator has nothing under way; an error of its threads.
  absl::StatusOr<bool> Settled() const;
  // Whether everything that was put on the stream has finished.
  absl::StatusOr<bool> Drained() const;
  // Polls until `finished` is true.
  absl::Status Await(const Poll& finished, absl::Time deadline) const;

  // A range of host memory and its place in the device's buffer.
  struct Block {
    absl::Span<char> host;
    size_t device;  // Offset in bytes.
  };
  // Queues the copies of `blocks`, in one of cudaMemcpyKind's directions.
  absl::Status CopyBlocks(absl::Span<const Block> blocks, int kind) const;
  // What a call moves through the device's buffer of `bytes` bytes.
  struct Movement {
    size_t bytes;
    std::vector<Block> in, out;
    std::function<int()> launch;  // Calls NCCL.
    const char* function;         // Its name.
  };
  // Steps 2 and 3 of nccl.h.
  absl::Status Move(const Call& call, absl::Time deadline,
                    const Movement& movement);
  absl::Status Carry(absl::Time deadline, const Movement& movement);
  // Step 1 of nccl.h: all ranks must say the same.
  absl::Status Agree(const Call& call, const std::string& what);
  char* At(size_t offset) const {
    return static_cast<char*>(own_.buffer) + offset;
  }

  // Ends NCCL's part.
  absl::Status Quit();
  // Quits, and finds the ranks that still answer.
  absl::Status BreakOff(const std::string& what, const absl::Status& why);

  const NcclApi api_;
  const int device_;
  const absl::Duration patience_;
  const std::unique_ptr<Communicator> control_;    // Steps 1 and 2.
  const std::unique_ptr<Communicator> diagnosis_;  // Step 3.
  Resources own_;
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

absl::Status Nccl::Await(const Poll& finished, absl::Time deadline) const {
  const Clock clock = MonotonicClock();
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool done, finished());
    if (done) return absl::OkStatus();
    AHA_RETURN_IF_ERROR(Communicator::status());
    if (clock() >= deadline) {
      return absl::DeadlineExceededError("NCCL did not finish");
    }
    absl::SleepFor(kPoll);
  }
}

absl::Status Nccl::Quit() {
  const Resources all = std::exchange(own_, {});
  if (all.empty() || Release(api_, device_, all, patience_)) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      absl::StrCat("NCCL could not be aborted within ",
                   absl::FormatDuration(patience_), "; its memory is lost"));
}

absl::Status Nccl::BreakOff(const std::string& what, const absl::Status& why) {
  const absl::Status quit = Quit();
  // After Abort no rank needs to be found.
  AHA_RETURN_IF_ERROR(Communicator::status());
  const absl::Status answers =
      diagnosis_->AllGatherBytes(what.substr(0, 30), "").status();
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
  // A rank that cannot begin says so before the others wait for it in NCCL.
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

absl::Status Nccl::CopyBlocks(absl::Span<const Block> blocks, int kind) const {
  for (const Block& block : blocks) {
    if (block.host.empty()) continue;
    void* to = block.host.data();
    const void* from = At(block.device);
    if (kind == kCudaMemcpyHostToDevice) {
      to = At(block.device);
      from = block.host.data();
    }
    AHA_RETURN_IF_ERROR(
        Cuda(api_.copy(to, from, block.host.size(), kind, own_.stream),
             "cudaMemcpyAsync"));
  }
  return absl::OkStatus();
}

absl::Status Nccl::Carry(absl::Time deadline, const Movement& movement) {
  AHA_RETURN_IF_ERROR(UseDevice());
  AHA_RETURN_IF_ERROR(Reserve(movement.bytes));
  AHA_RETURN_IF_ERROR(CopyBlocks(movement.in, kCudaMemcpyHostToDevice));
  AHA_RETURN_IF_ERROR(Result(movement.launch(), movement.function));
  // A non-blocking communicator may still be setting up connections.
  AHA_RETURN_IF_ERROR(Await([this] { return Settled(); }, deadline));
  const Poll drained = [this] { return Drained(); };
  // The copies back are queued only after NCCL has finished: a call that hangs
  // must leave nothing behind that writes to host memory later.
  AHA_RETURN_IF_ERROR(Await(drained, deadline));
  AHA_RETURN_IF_ERROR(CopyBlocks(movement.out, kCudaMemcpyDeviceToHost));
  return Await(drained, deadline);
}

absl::Status Nccl::Move(const Call& call, absl::Time deadline,
                        const Movement& movement) {
  if (movement.bytes == 0) return absl::OkStatus();
  const absl::Status status = Carry(deadline, movement);
  return status.ok() ? status : BreakOff(Describe(call), status);
}

absl::Status Nccl::Agree(const Call& call, const std::string& what) {
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                       control_->AllGatherBytes(call.name, what));
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] == what) continue;
    return absl::InternalError(absl::StrCat(
        "ranks disagree: ", Describe(call), " is of ", what, " on rank ",
        this->rank(), ", of ", all[rank], " on rank ", rank));
  }
  return absl::OkStatus();
}

absl::Status Nccl::DoAllReduceSum(const Call& call,
                                  absl::Span<int64_t> values) {
  const absl::Time deadline = MonotonicClock()() + Left(call);
  AHA_RETURN_IF_ERROR(Agree(call, absl::StrCat(values.size(), " values")));
  const size_t bytes = values.size() * sizeof(int64_t);
  const Block all{{reinterpret_cast<char*>(values.data()), bytes}, 0};
  return Move(call, deadline,
              {.bytes = bytes,
               .in = {all},
               .out = {all},
               .launch =
                   [&] {
                     return api_.all_reduce(At(0), At(0), values.size(),
                                            kNcclInt64, kNcclSum, own_.comm,
                                            own_.stream);
                   },
               .function = "ncclAllReduce"});
}

absl::Status Nccl::DoReduceScatterSum(const Call& call,
                                      absl::Span<int64_t> values,
                                      absl::Span<const Shard> shards) {
  const absl::Time deadline = MonotonicClock()() + Left(call);
  AHA_RETURN_IF_ERROR(
      Agree(call, absl::StrCat("shards ", ToString(shards), " of values")));
  const size_t count = Longest(shards);
  const size_t stride = count * sizeof(int64_t);
  std::vector<Block> blocks;
  for (size_t peer = 0; peer < shards.size(); ++peer) {
    blocks.push_back(
        {{reinterpret_cast<char*>(values.data() + shards[peer].begin),
          shards[peer].size() * sizeof(int64_t)},
         peer * stride});
  }
  const Block mine = blocks[static_cast<size_t>(rank())];
  return Move(call, deadline,
              {.bytes = shards.size() * stride,
               .in = std::move(blocks),
               .out = {mine},
               .launch =
                   [&] {
                     return api_.reduce_scatter(At(0), At(mine.device), count,
                                                kNcclInt64, kNcclSum, own_.comm,
                                                own_.stream);
                   },
               .function = "ncclReduceScatter"});
}

absl::Status Nccl::DoAllGather(const Call& call, absl::Span<char> bytes,
                               absl::Span<const Shard> shards) {
  const absl::Time deadline = MonotonicClock()() + Left(call);
  AHA_RETURN_IF_ERROR(
      Agree(call, absl::StrCat("shards ", ToString(shards), " of bytes")));
  const size_t stride = Longest(shards);
  std::vector<Block> blocks;
  for (size_t peer = 0; peer < shards.size(); ++peer) {
    blocks.push_back({bytes.subspan(shards[peer].begin, shards[peer].size()),
                      peer * stride});
  }
  const Block mine = blocks[static_cast<size_t>(rank())];
  return Move(call, deadline,
              {.bytes = shards.size() * stride,
               .in = {mine},
               .out = std::move(blocks),
               .launch =
                   [&] {
                     return api_.all_gather(At(mine.device), At(0), stride,
                                            kNcclUint8, own_.comm, own_.stream);
                   },
               .function = "ncclAllGather"});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> ConnectNccl(
    const NcclOptions& options) {
  AHA_RETURN_IF_ERROR(options.gloo.ranks.Validate());
  if (options.gloo.ranks.size == 1) return NewSingle();
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                       ConnectGloo(options.gloo));
  GlooOptions last = options.gloo;
  last.ranks.timeout = std::min(options.diagnosis, last.ranks.timeout);
  absl::StrAppend(&last.rendezvous_directory, "-diagnosis");
  last.continue_after_loss = true;
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> diagnosis,
                       ConnectGloo(last));
  const absl::StatusOr<NcclApi> api = LoadNccl(options.libraries);
  AHA_RETURN_IF_ERROR(
      AgreeThatAllCan("nccl libraries", api.status(), *control));
  auto nccl = std::make_unique<Nccl>(options, *api, std::move(control),
                                     std::move(diagnosis));
  AHA_RETURN_IF_ERROR(nccl->Init());
  return nccl;
}

}  // namespace aha::comm
