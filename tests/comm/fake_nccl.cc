// A fake libnccl and libcudart in one file, with ranks as threads of a process
// and host memory for a device.  Work on a stream is done when the stream is
// queried.  Tests make it fail through FakeNccl... (found with dlsym).
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace {

constexpr int kInProgress = 7, kRemoteError = 6, kNotReady = 600;

// One collective call of a group: what the ranks gave so far.
struct Round {
  std::vector<int64_t> total;  // Sums.
  std::string gathered;        // All-gathers, by rank.
  int given = 0;
};

struct Group {
  int ranks = 0;
  int inits = 0;
  std::map<uint64_t, Round> rounds;  // By number.
};

struct Comm {
  std::shared_ptr<Group> group;
  int rank = 0;
  uint64_t rounds = 0;
  int error = 0;
};

struct Stream {
  std::deque<std::function<bool()>> work;  // True: done.
};

std::mutex mutex;
std::map<std::string, std::shared_ptr<Group>> groups;
std::atomic<int> live = 0;  // Communicators, streams and buffers.
int ids = 0;
int version = 22700;
// "init hangs", "call hangs", "call fails", "no device"; "abort hangs": a call
// and its abort.
std::string fault;
int faulty_rank = -1;
std::condition_variable fault_changed;

bool Faulty(const Comm& comm, const char* what) {
  return fault == what && comm.rank == faulty_rank;
}

}  // namespace

extern "C" {

void FakeNcclFault(const char* what, int rank) {
  const std::lock_guard lock(mutex);
  fault = what;
  faulty_rank = rank;
  fault_changed.notify_all();
}
void FakeNcclVersion(int number) { version = number; }
int FakeNcclLive() { return live; }

struct ncclUniqueId {
  char bytes[128];
};

int ncclGetVersion(int* number) {
  *number = version;
  return 0;
}
const char* ncclGetErrorString(int result) {
  return result == kRemoteError ? "remote process exited" : "fake error";
}
const char* ncclGetLastError(void*) { return ""; }

int ncclGetUniqueId(ncclUniqueId* id) {
  const std::lock_guard lock(mutex);
  std::memset(id->bytes, 0, sizeof(id->bytes));
  std::strcpy(id->bytes, std::to_string(++ids).c_str());
  return 0;
}

int ncclCommInitRankConfig(void** comm, int ranks, ncclUniqueId id, int rank,
                           void*) {
  const std::lock_guard lock(mutex);
  std::shared_ptr<Group>& group = groups[id.bytes];
  if (group == nullptr) group = std::make_shared<Group>();
  group->ranks = ranks;
  auto* made = new Comm{.group = group, .rank = rank};
  if (!Faulty(*made, "init hangs")) ++group->inits;
  ++live;
  *comm = made;
  return kInProgress;
}

int ncclCommGetAsyncError(void* raw, int* result) {
  const std::lock_guard lock(mutex);
  const Comm& comm = *static_cast<Comm*>(raw);
  *result = comm.error;
  if (comm.error == 0 && comm.group->inits < comm.group->ranks) {
    *result = kInProgress;
  }
  return 0;
}

int ncclCommAbort(void* raw) {
  std::unique_lock lock(mutex);
  auto* comm = static_cast<Comm*>(raw);
  fault_changed.wait(lock, [&] { return !Faulty(*comm, "abort hangs"); });
  delete comm;
  --live;
  return 0;
}

}  // extern "C"

namespace {

// Queues a collective call: `give` adds this rank's part to the round, and once
// all ranks gave, `take` copies the result.
template <class Give, class Take>
int Queue(void* raw, void* stream, Give give, Take take) {
  const std::lock_guard lock(mutex);
  Comm& comm = *static_cast<Comm*>(raw);
  if (Faulty(comm, "call fails")) comm.error = kRemoteError;
  const bool hangs = Faulty(comm, "call hangs") ||
                     Faulty(comm, "abort hangs") || comm.error != 0;
  const uint64_t number = ++comm.rounds;
  static_cast<Stream*>(stream)->work.push_back(
      [=, group = comm.group, given = false]() mutable {
        Round& round = group->rounds[number];
        if (hangs) return false;
        if (!given) {
          give(round);
          ++round.given;
          given = true;
        }
        if (round.given < group->ranks) return false;
        take(round);
        return true;
      });
  return 0;
}

void AddTo(Round& round, const void* from, size_t count) {
  const auto* values = static_cast<const int64_t*>(from);
  round.total.resize(count);
  for (size_t i = 0; i < count; ++i) {
    round.total[i] =
        static_cast<int64_t>(static_cast<uint64_t>(round.total[i]) +
                             static_cast<uint64_t>(values[i]));
  }
}

}  // namespace

extern "C" {

// NCCL's signature.  NOLINTNEXTLINE(readability-function-size)
int ncclAllReduce(const void* from, void* to, size_t count, int, int, void* raw,
                  void* stream) {
  return Queue(
      raw, stream, [=](Round& round) { AddTo(round, from, count); },
      [=](const Round& round) {
        std::memcpy(to, round.total.data(), count * sizeof(int64_t));
      });
}

// NCCL's signature.  NOLINTNEXTLINE(readability-function-size)
int ncclReduceScatter(const void* from, void* to, size_t count, int, int,
                      void* raw, void* stream) {
  const Comm& comm = *static_cast<Comm*>(raw);
  const size_t all = count * static_cast<size_t>(comm.group->ranks);
  const size_t begin = count * static_cast<size_t>(comm.rank);
  return Queue(
      raw, stream, [=](Round& round) { AddTo(round, from, all); },
      [=](const Round& round) {
        std::memcpy(to, round.total.data() + begin, count * sizeof(int64_t));
      });
}

// NCCL's signature.  NOLINTNEXTLINE(readability-function-size)
int ncclAllGather(const void* from, void* to, size_t count, int, void* raw,
                  void* stream) {
  const Comm& comm = *static_cast<Comm*>(raw);
  const size_t all = count * static_cast<size_t>(comm.group->ranks);
  const size_t begin = count * static_cast<size_t>(comm.rank);
  return Queue(
      raw, stream,
      [=](Round& round) {
        round.gathered.resize(all);
        std::memcpy(round.gathered.data() + begin, from, count);
      },
      [=](const Round& round) { std::memcpy(to, round.gathered.data(), all); });
}

const char* cudaGetErrorString(int error) {
  return error == 100 ? "no CUDA-capable device is detected" : "fake error";
}
int cudaSetDevice(int device) {
  const std::lock_guard lock(mutex);
  return fault == "no device" && device == faulty_rank ? 100 : 0;
}
int cudaMalloc(void** memory, size_t bytes) {
  *memory = std::malloc(bytes);
  ++live;
  return 0;
}
int cudaFree(void* memory) {
  std::free(memory);
  --live;
  return 0;
}
int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int,
                    void* stream) {
  const std::lock_guard lock(mutex);
  static_cast<Stream*>(stream)->work.push_back([=] {
    std::memcpy(to, from, bytes);
    return true;
  });
  return 0;
}
int cudaStreamCreateWithFlags(void** stream, unsigned) {
  *stream = new Stream;
  ++live;
  return 0;
}
int cudaStreamQuery(void* raw) {
  const std::lock_guard lock(mutex);
  auto& work = static_cast<Stream*>(raw)->work;
  while (!work.empty() && work.front()()) work.pop_front();
  return work.empty() ? 0 : kNotReady;
}
int cudaStreamDestroy(void* stream) {
  delete static_cast<Stream*>(stream);
  --live;
  return 0;
}
}
