#include "comm/gloo.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "comm/directory_store.h"
#include "comm/gloo_header.h"
#include "comm/gloo_store.h"
#include "gloo/allreduce.h"
#include "gloo/rendezvous/context.h"
#include "gloo/transport/tcp/device.h"

namespace aha::comm {
namespace {

using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;

// Gloo's collectives build their slots below 2^48.
constexpr uint64_t kHeaderSlot = uint64_t{1} << 62;
constexpr uint64_t kBytesSlot = uint64_t{1} << 61;
// Gloo takes a wait of 0 ms for an infinite one.
constexpr absl::Duration kShortest = absl::Milliseconds(1);
// A call moves at most so many bytes between two ranks at a time, which bounds
// the buffers of the sockets, of Gloo and of sums.
constexpr size_t kPiece = size_t{8} << 20;
static_assert(kPiece % sizeof(int64_t) == 0);

using ConstSpans = std::vector<absl::Span<const char>>;
using Spans = std::vector<absl::Span<char>>;

// The piece of `bytes` that begins at `begin`; it is empty beyond the end.
template <class T>
absl::Span<T> Piece(absl::Span<T> bytes, size_t begin) {
  return bytes.subspan(std::min(begin, bytes.size()), kPiece);
}

std::chrono::milliseconds Milliseconds(absl::Duration duration) {
  return absl::ToChronoMilliseconds(std::max(duration, kShortest));
}

// Runs `body`, which calls Gloo, and turns what it throws into a status.
template <class Body>
absl::Status Guard(Body&& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return absl::StrContains(text, "Timed out")
               ? absl::DeadlineExceededError(text)
               : absl::UnavailableError(text);
  }
}

class Gloo : public Communicator {
 public:
  Gloo(const GlooOptions& options,
       std::shared_ptr<gloo::rendezvous::Context> context)
      : Communicator(options.ranks),
        continue_after_loss_(options.continue_after_loss),
        context_(std::move(context)) {}

  ~Gloo() override {
    Guard([&] {
      context_->closeConnections();
      return absl::OkStatus();
    }).IgnoreError();
  }

 private:
  absl::Status DoAllReduceSum(const Call& call,
                              absl::Span<int64_t> values) override;
  absl::Status DoReduceScatterSum(const Call& call, absl::Span<int64_t> values,
                                  absl::Span<const Shard> shards) override;
  absl::Status DoAllGather(const Call& call, absl::Span<char> bytes,
                           absl::Span<const Shard> shards) override;
  absl::StatusOr<std::vector<std::string>> DoAllGatherBytes(
      const Call& call, absl::string_view mine) override;
  absl::StatusOr<std::vector<std::string>> DoGather(
      const Call& call, int root, absl::string_view mine) override;
  absl::Status DoBarrier(const Call& call) override {
    return ExchangeHeaders(call, 0).status();
  }
  void DoAbort() override;

  // Exchanges headers with every rank and compares them; returns Header::bytes
  // by rank.
  absl::StatusOr<std::vector<uint64_t>> ExchangeHeaders(const Call& call,
                                                        size_t bytes);
  // The same for a call with shards of elements of `element_size` bytes.
  absl::Status ExchangeShardHeaders(const Call& call, size_t element_size,
                                    absl::Span<const Shard> shards);
  absl::Status CheckHeader(const Call& call, int peer, const Header& header);
  // Sends from[peer] to every other rank and receives into[peer] from it.  An
  // empty span stands for no message.
  absl::Status Exchange(const Call& call, uint64_t slot,
                        absl::Span<const absl::Span<const char>> from,
                        absl::Span<const absl::Span<char>> into);
  // Begins to receive or to send `bytes`.
  template <class Operation>
  absl::Status Post(const Call& call, int peer, absl::Span<char> bytes,
                    Buffer* buffer, Operation&& operation);
  absl::Status AwaitPeer(const Call& call, int peer, Buffer& buffer);
  absl::Status AwaitSend(const Call& call, int peer, Buffer& buffer);
  // The ranks whose connection is broken.
  std::string LostRanks(const Call& call);

  const bool continue_after_loss_;
  const std::shared_ptr<gloo::rendezvous::Context> context_;
  Mutex waiting_mutex_;
  gloo::transport::UnboundBuffer* waiting_ ABSL_GUARDED_BY(waiting_mutex_) =
      nullptr;
};

absl::Status Gloo::AwaitPeer(const Call& call, int peer, Buffer& buffer) {
  {
    MutexLock lock(waiting_mutex_);
    waiting_ = buffer.get();
  }
  absl::Status status = Communicator::status();
  if (status.ok()) {
    status = Guard([&]() -> absl::Status {
      if (buffer->waitRecv(nullptr, Milliseconds(Left(call)))) {
        return absl::OkStatus();
      }
      return absl::AbortedError("aborted");
    });
  }
  MutexLock lock(waiting_mutex_);
  waiting_ = nullptr;
  if (status.ok()) return status;
  // The wait is counted in whole milliseconds and may end just before the
  // deadline; the message names the timeout.
  const std::string how =
      absl::IsDeadlineExceeded(status)
          ? absl::StrCat("did not come within ",
                         absl::FormatDuration(call.timeout))
          : absl::StrCat("was lost after ",
                         absl::FormatDuration(call.timeout - Left(call)));
  return absl::Status(status.code(),
                      absl::StrCat(Describe(call), ": rank ", peer, " ", how,
                                   " (", status.message(), ")"));
}

template <class Operation>
absl::Status Gloo::Post(const Call& call, int peer, absl::Span<char> bytes,
                        Buffer* buffer, Operation&& operation) {
  absl::Status posted = Guard([&] {
    *buffer = context_->createUnboundBuffer(bytes.data(), bytes.size());
    operation(**buffer);
    return absl::OkStatus();
  });
  if (posted.ok()) return posted;
  buffer->reset();
  return absl::UnavailableError(absl::StrCat(
      Describe(call), ": rank ", peer, " was lost (", posted.message(), ")"));
}

absl::Status Gloo::AwaitSend(const Call& call, int peer, Buffer& buffer) {
  absl::Status sent = Guard([&] {
    buffer->waitSend(nullptr, Milliseconds(Left(call)));
    return absl::OkStatus();
  });
  if (sent.ok()) return sent;
  return absl::Status(sent.code(),
                      absl::StrCat(Describe(call), ": rank ", peer,
                                   " does not receive (", sent.message(), ")"));
}

absl::Status Gloo::Exchange(const Call& call, uint64_t slot,
                            absl::Span<const absl::Span<const char>> from,
                            absl::Span<const absl::Span<char>> into) {
  // One buffer a peer and direction: each has one pending operation at a time.
  std::vector<Buffer> receives(into.size());
  std::vector<Buffer> sends(into.size());
  absl::Status first;
  // Does `work` with every other rank; false if the exchange is to end then.
  const auto with_all = [&](const auto& work) {
    for (int peer = 0; peer < size(); ++peer) {
      if (peer != rank()) first.Update(work(peer, static_cast<size_t>(peer)));
      if (!first.ok() && !continue_after_loss_) return false;
    }
    return true;
  };
  const bool continues =
      with_all([&](int peer, size_t i) -> absl::Status {
        if (into[i].empty()) return absl::OkStatus();
        return Post(call, peer, into[i], &receives[i],
                    [&](auto& buffer) { buffer.recv(peer, slot); });
      }) &&
      with_all([&](int peer, size_t i) -> absl::Status {
        if (from[i].empty()) return absl::OkStatus();
        // Gloo does not write to what it sends.
        const absl::Span<char> bytes(const_cast<char*>(from[i].data()),
                                     from[i].size());
        return Post(call, peer, bytes, &sends[i],
                    [&](auto& buffer) { buffer.send(peer, slot); });
      }) &&
      with_all([&](int peer, size_t i) -> absl::Status {
        if (!receives[i]) return absl::OkStatus();
        return AwaitPeer(call, peer, receives[i]);
      });
  if (continues) {
    with_all([&](int peer, size_t i) -> absl::Status {
      if (!sends[i]) return absl::OkStatus();
      return AwaitSend(call, peer, sends[i]);
    });
  }
  return first;
}

absl::Status Gloo::CheckHeader(const Call& call, int peer,
                               const Header& header) {
  const Header mine = HeaderOf(call, 0);
  if (header.sequence == mine.sequence && header.kind == mine.kind &&
      header.size == mine.size &&
      std::memcmp(header.name, mine.name, sizeof(mine.name)) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError(
      absl::StrCat("ranks disagree: rank ", rank(), " is at ", Describe(call),
                   " of size ", call.size, ", rank ", peer, " at ",
                   Describe(CallOf(header)), " of size ", header.size));
}

absl::StatusOr<std::vector<uint64_t>> Gloo::ExchangeHeaders(const Call& call,
                                                            size_t bytes) {
  const size_t ranks = static_cast<size_t>(size());
  std::vector<Header> headers(ranks, HeaderOf(call, bytes));
  const Header mine = headers[0];
  Spans into;
  for (Header& header : headers) {
    into.emplace_back(reinterpret_cast<char*>(&header), sizeof(header));
  }
  const ConstSpans from(ranks,
                        {reinterpret_cast<const char*>(&mine), sizeof(mine)});
  // The slot does not depend on the call, so that the header of a rank that is
  // at another call arrives.
  AHA_RETURN_IF_ERROR(Exchange(call, kHeaderSlot, from, into));
  std::vector<uint64_t> sizes;
  for (size_t peer = 0; peer < ranks; ++peer) {
    AHA_RETURN_IF_ERROR(
        CheckHeader(call, static_cast<int>(peer), headers[peer]));
    sizes.push_back(headers[peer].bytes);
  }
  return sizes;
}

absl::Status Gloo::ExchangeShardHeaders(const Call& call, size_t element_size,
                                        absl::Span<const Shard> shards) {
  const auto bytes_of = [&](size_t peer) {
    return shards[peer].size() * element_size;
  };
  AHA_ASSIGN_OR_RETURN(
      const std::vector<uint64_t> sizes,
      ExchangeHeaders(call, bytes_of(static_cast<size_t>(rank()))));
  for (size_t peer = 0; peer < sizes.size(); ++peer) {
    if (sizes[peer] == bytes_of(peer)) continue;
    return absl::InternalError(
        absl::StrCat("ranks disagree: ", Describe(call), " has a shard of ",
                     sizes[peer], " bytes on rank ", peer, ", which rank ",
                     rank(), " takes for ", bytes_of(peer), " (shards ",
                     ToString(shards), " of ", element_size, " bytes)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Gloo::DoAllGatherBytes(
    const Call& call, absl::string_view mine) {
  constexpr uint64_t kLimit = uint64_t{1} << 32;
  AHA_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes,
                       ExchangeHeaders(call, mine.size()));
  std::vector<std::string> all(sizes.size());
  Spans into;
  for (size_t peer = 0; peer < sizes.size(); ++peer) {
    if (sizes[peer] > kLimit) {
      return absl::InternalError(absl::StrCat(Describe(call), ": rank ", peer,
                                              " offers ", sizes[peer],
                                              " bytes, more than ", kLimit));
    }
    all[peer].resize(sizes[peer]);
    into.push_back(absl::MakeSpan(all[peer]));
  }
  const ConstSpans from(all.size(), absl::MakeConstSpan(mine));
  AHA_RETURN_IF_ERROR(Exchange(call, kBytesSlot, from, into));
  all[static_cast<size_t>(rank())] = std::string(mine);
  return all;
}

absl::StatusOr<std::vector<std::string>> Gloo::DoGather(
    const Call& call, int root, absl::string_view mine) {
  AHA_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes,
                       ExchangeHeaders(call, mine.size()));
  const bool receives = rank() == root;
  std::vector<std::string> all(sizes.size());
  size_t longest = 0;
  for (size_t peer = 0; peer < sizes.size(); ++peer) {
    if (peer == static_cast<size_t>(root)) continue;
    if (receives) all[peer].resize(sizes[peer]);
    longest = std::max<size_t>(longest, sizes[peer]);
  }
  ConstSpans from(all.size());
  Spans into(all.size());
  for (size_t begin = 0; begin < longest; begin += kPiece) {
    for (size_t peer = 0; peer < all.size(); ++peer) {
      into[peer] = Piece(absl::MakeSpan(all[peer]), begin);
    }
    if (!receives) {
      from[static_cast<size_t>(root)] =
          Piece(absl::MakeConstSpan(mine.data(), mine.size()), begin);
    }
    AHA_RETURN_IF_ERROR(Exchange(call, kBytesSlot, from, into));
  }
  if (receives) all[static_cast<size_t>(root)] = std::string(mine);
  return all;
}

absl::Status Gloo::DoAllGather(const Call& call, absl::Span<char> bytes,
                               absl::Span<const Shard> shards) {
  AHA_RETURN_IF_ERROR(ExchangeShardHeaders(call, 1, shards));
  const auto of = [&](size_t peer) {
    return bytes.subspan(shards[peer].begin, shards[peer].size());
  };
  Spans into(shards.size());
  for (size_t begin = 0; begin < Longest(shards); begin += kPiece) {
    for (size_t peer = 0; peer < shards.size(); ++peer) {
      into[peer] = Piece(of(peer), begin);
    }
    const ConstSpans from(shards.size(), into[static_cast<size_t>(rank())]);
    AHA_RETURN_IF_ERROR(Exchange(call, kBytesSlot, from, into));
  }
  return absl::OkStatus();
}

void AddWrapping(void* out, const void* a, const void* b, size_t count) {
  auto* sum = static_cast<uint64_t*>(out);
  const auto* left = static_cast<const uint64_t*>(a);
  const auto* right = static_cast<const uint64_t*>(b);
  for (size_t i = 0; i < count; ++i) sum[i] = left[i] + right[i];
}

// Every rank sends each other rank that rank's shard, piece by piece, and adds
// what it receives to its own.
absl::Status Gloo::DoReduceScatterSum(const Call& call,
                                      absl::Span<int64_t> values,
                                      absl::Span<const Shard> shards) {
  constexpr size_t kElement = sizeof(int64_t);
  AHA_RETURN_IF_ERROR(ExchangeShardHeaders(call, kElement, shards));
  const auto of = [&](size_t peer) {
    return absl::MakeSpan(
        reinterpret_cast<char*>(values.data() + shards[peer].begin),
        shards[peer].size() * kElement);
  };
  const size_t me = static_cast<size_t>(rank());
  std::vector<std::vector<uint64_t>> received(shards.size());
  ConstSpans from(shards.size());
  Spans into(shards.size());
  for (size_t begin = 0; begin < Longest(shards) * kElement; begin += kPiece) {
    const absl::Span<char> mine = Piece(of(me), begin);
    for (size_t peer = 0; peer < shards.size(); ++peer) {
      if (peer == me) continue;
      from[peer] = Piece(of(peer), begin);
      received[peer].resize(mine.size() / kElement);
      into[peer] = absl::MakeSpan(
          reinterpret_cast<char*>(received[peer].data()), mine.size());
    }
    AHA_RETURN_IF_ERROR(Exchange(call, kBytesSlot, from, into));
    for (size_t peer = 0; peer < shards.size(); ++peer) {
      if (peer == me) continue;
      AddWrapping(mine.data(), mine.data(), into[peer].data(),
                  mine.size() / kElement);
    }
  }
  return absl::OkStatus();
}

std::string Gloo::LostRanks(const Call& call) {
  std::string lost;
  char byte = 0;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    const absl::Status probe = Guard([&] {
      Buffer buffer = context_->createUnboundBuffer(&byte, 1);
      buffer->send(peer, kBytesSlot + call.sequence);
      return absl::OkStatus();
    });
    if (!probe.ok()) absl::StrAppend(&lost, lost.empty() ? "" : ", ", peer);
  }
  return lost.empty() ? "?" : lost;
}

absl::Status Gloo::DoAllReduceSum(const Call& call,
                                  absl::Span<int64_t> values) {
  AHA_RETURN_IF_ERROR(ExchangeHeaders(call, 0).status());
  if (values.empty()) return absl::OkStatus();
  absl::Status status = Guard([&] {
    gloo::AllreduceOptions options(context_);
    options.setOutput(reinterpret_cast<uint64_t*>(values.data()),
                      values.size());
    options.setReduceFunction(AddWrapping);
    options.setTag(static_cast<uint32_t>(call.sequence));
    options.setTimeout(Milliseconds(Left(call)));
    gloo::allreduce(options);
    return absl::OkStatus();
  });
  if (status.ok()) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(Describe(call), ": broke off after ",
                   absl::FormatDuration(call.timeout - Left(call)),
                   ", lost rank ", LostRanks(call), " (", status.message(),
                   ")"));
}

void Gloo::DoAbort() {
  MutexLock lock(waiting_mutex_);
  if (waiting_ != nullptr) waiting_->abortWaitRecv();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> ConnectGloo(
    const GlooOptions& options) {
  const CommunicatorOptions& ranks = options.ranks;
  AHA_RETURN_IF_ERROR(ranks.Validate());
  if (ranks.size == 1) return NewSingle();
  std::signal(SIGPIPE, SIG_IGN);
  AHA_ASSIGN_OR_RETURN(const DirectoryStore store,
                       DirectoryStore::Open(options.rendezvous_directory));
  GlooStore adapter(&store, MonotonicClock()() + options.rendezvous);
  std::shared_ptr<gloo::rendezvous::Context> context;
  const absl::Status connected = Guard([&] {
    gloo::transport::tcp::attr attributes;
    attributes.hostname = options.hostname;
    std::shared_ptr<gloo::transport::Device> device =
        gloo::transport::tcp::CreateDevice(attributes);
    context =
        std::make_shared<gloo::rendezvous::Context>(ranks.rank, ranks.size);
    // This limits only connecting; every later wait has its own timeout.
    context->setTimeout(Milliseconds(options.rendezvous));
    context->connectFullMesh(adapter, device);
    return absl::OkStatus();
  });
  if (!connected.ok()) {
    return absl::Status(
        connected.code(),
        absl::StrCat("rendezvous of rank ", ranks.rank, " of ", ranks.size,
                     " in ", options.rendezvous_directory, ": ",
                     connected.message()));
  }
  return std::make_unique<Gloo>(options, std::move(context));
}

}  // namespace aha::comm
