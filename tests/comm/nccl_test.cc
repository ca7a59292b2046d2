// The NCCL body against a fake library that can hang and fail.  Ranks are
// threads here.
#include "comm/nccl.h"

#include <dlfcn.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <latch>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::comm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class NcclTest : public ::testing::Test {
 protected:
  NcclTest() {
    directory_ = absl::StrCat(
        testing::TempDir(), "/aha_nccl_", ::getpid(), "_",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    fake_ = dlopen(AHA_FAKE_NCCL, RTLD_NOW | RTLD_LOCAL);
    Fault("", -1);
    Call<void(int)>("FakeNcclVersion")(22700);
  }
  ~NcclTest() override {
    EXPECT_EQ(Live(), 0);
    std::filesystem::remove_all(directory_);
    std::filesystem::remove_all(directory_ + "-diagnosis");
  }

  template <class Function>
  Function* Call(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(fake_, name));
  }
  void Fault(const char* what, int rank) const {
    Call<void(const char*, int)>("FakeNcclFault")(what, rank);
  }

  int Live() const { return Call<int()>("FakeNcclLive")(); }

  NcclOptions Options(int rank, absl::Duration timeout) const {
    return {.gloo = {.ranks = {.rank = rank, .size = 3, .timeout = timeout},
                     .rendezvous_directory = directory_},
            .libraries = {.nccl = {AHA_FAKE_NCCL}, .cuda = {AHA_FAKE_NCCL}},
            .device = rank,
            .diagnosis = absl::Seconds(5)};
  }

  // Every rank connects and then runs `body`; what each of them came to.
  std::vector<absl::Status> Run(
      absl::Duration timeout,
      const std::function<absl::Status(int, Communicator&)>& body,
      const std::function<void(int, NcclOptions&)>& edit = nullptr) {
    std::vector<absl::Status> ends(3);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 3; ++rank) {
      threads.emplace_back([&, rank] {
        NcclOptions options = Options(rank, timeout);
        if (edit) edit(rank, options);
        auto connected = ConnectNccl(options);
        ends[static_cast<size_t>(rank)] =
            connected.ok() ? body(rank, **connected) : connected.status();
      });
    }
    for (std::thread& thread : threads) thread.join();
    return ends;
  }

  static absl::Status SumOnes(int, Communicator& comm) {
    std::vector<int64_t> values(1000, 1);
    return comm.AllReduceSum("gradients", absl::MakeSpan(values));
  }

  std::string directory_;
  void* fake_ = nullptr;
};

TEST_F(NcclTest, SumsAreExactAndOtherCallsWorkBetweenThem) {
  const auto ends = Run(absl::Seconds(60), [](int rank, Communicator& comm) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{5000}}) {
      std::vector<int64_t> values(count, int64_t{1} << (20 * rank));
      const absl::Status status =
          comm.AllReduceSum("values", absl::MakeSpan(values));
      EXPECT_TRUE(status.ok()) << status;
      for (const int64_t value : values) {
        EXPECT_EQ(value, 1 + (int64_t{1} << 20) + (int64_t{1} << 40));
      }
      EXPECT_EQ(*comm.Broadcast("word", 1, rank == 1 ? "yes" : "no"), "yes");
    }
    return comm.Barrier("end");
  });
  for (const absl::Status& end : ends) EXPECT_TRUE(end.ok()) << end;
}

TEST_F(NcclTest, ShardsOfAnySizesAreSummedAndGathered) {
  const auto ends = Run(absl::Seconds(60), [](int rank, Communicator& comm) {
    // The sizes need more of the device from call to call, and less again.
    const std::vector<std::vector<Shard>> partitions = {
        EvenShards(9, 3),
        EvenShards(1000, 3),
        {{0, 0}, {0, 700}, {700, 701}},
        EvenShards(1, 3),
        EvenShards(0, 3)};
    for (const std::vector<Shard>& shards : partitions) {
      const Shard mine = shards[static_cast<size_t>(rank)];
      std::vector<int64_t> values(shards.back().end);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<int64_t>(i << (20 * rank));
      }
      const absl::Status summed =
          comm.ReduceScatterSum("gradients", absl::MakeSpan(values), shards);
      EXPECT_TRUE(summed.ok()) << summed;
      std::vector<float> weights(values.size(), -1);
      for (size_t i = mine.begin; i < mine.end; ++i) {
        const int64_t n = static_cast<int64_t>(i);
        EXPECT_EQ(values[i], n + (n << 20) + (n << 40));
        weights[i] = static_cast<float>(i);
      }
      const absl::Status gathered =
          comm.AllGather("weights", absl::MakeSpan(weights), shards);
      EXPECT_TRUE(gathered.ok()) << gathered;
      for (size_t i = 0; i < weights.size(); ++i) {
        EXPECT_EQ(weights[i], static_cast<float>(i));
      }
    }
    return comm.Barrier("end");
  });
  for (const absl::Status& end : ends) EXPECT_TRUE(end.ok()) << end;
}

TEST_F(NcclTest, DifferentShardsAreAnErrorBeforeNcclIsCalled) {
  const auto ends = Run(absl::Seconds(60), [](int rank, Communicator& comm) {
    std::vector<int64_t> values(9, 1);
    return comm.ReduceScatterSum("gradients", absl::MakeSpan(values),
                                 EvenShards(9, 3, rank == 1 ? 4 : 1));
  });
  for (const absl::Status& end : ends) {
    EXPECT_TRUE(absl::IsInternal(end)) << end;
    EXPECT_THAT(std::string(end.message()),
                AllOf(HasSubstr("ranks disagree: reduce-scatter #1"),
                      HasSubstr("[0, 3, 6, 9]"), HasSubstr("[0, 4, 8, 9]")));
  }
}

TEST_F(NcclTest, AHangingAllGatherIsBrokenOffAtTheDeadlineOnEveryRank) {
  Fault("call hangs", 1);
  const auto ends = Run(absl::Seconds(3), [](int, Communicator& comm) {
    std::vector<char> bytes(9);
    return comm.AllGather("weights", absl::MakeSpan(bytes), EvenShards(9, 3));
  });
  for (const absl::Status& end : ends) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(end)) << end;
    EXPECT_THAT(std::string(end.message()),
                AllOf(HasSubstr("all-gather #1 \"weights\""),
                      HasSubstr("every rank answers")));
  }
}

TEST_F(NcclTest, AHangingSumIsBrokenOffAtTheDeadlineOnEveryRank) {
  Fault("call hangs", 1);
  const auto ends = Run(absl::Seconds(3), SumOnes);
  for (const absl::Status& end : ends) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(end)) << end;
    EXPECT_THAT(std::string(end.message()),
                AllOf(HasSubstr("all-reduce #1 \"gradients\""),
                      HasSubstr("every rank answers")));
  }
}

TEST_F(NcclTest, AnAbortThatHangsIsSaidAndNotWaitedFor) {
  Fault("abort hangs", 1);
  const auto ends = Run(
      absl::Seconds(3), SumOnes,
      [](int, NcclOptions& options) { options.diagnosis = absl::Seconds(4); });
  const std::string lost =
      "NCCL could not be aborted within 1.5s; its memory is lost";
  EXPECT_THAT(std::string(ends[1].message()), HasSubstr(lost));
  for (const absl::Status& end : ends) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(end)) << end;
  }
  for (const int rank : {0, 2}) {
    EXPECT_THAT(std::string(ends[static_cast<size_t>(rank)].message()),
                Not(HasSubstr(lost)));
  }
  EXPECT_GT(Live(), 0);
  // Whenever it does end, all is given back.
  Fault("", -1);
  while (Live() > 0) std::this_thread::yield();
}

TEST_F(NcclTest, ARankThatIsLostInTheSumIsNamed) {
  Fault("call fails", 1);
  const auto ends = Run(
      absl::Seconds(3),
      [](int rank, Communicator& comm) {
        absl::Status status = SumOnes(rank, comm);
        if (rank == 1) {
          EXPECT_THAT(std::string(status.message()),
                      HasSubstr("remote process exited"));
        }
        return status;
      },
      [](int rank, NcclOptions& options) {
        // It is gone before the others give up.
        if (rank == 1) options.diagnosis = absl::Seconds(1);
      });
  EXPECT_THAT(std::string(ends[0].message()), HasSubstr("rank 1"));
  EXPECT_THAT(std::string(ends[2].message()), HasSubstr("rank 1"));
}

TEST_F(NcclTest, ARankThatGivesUpLaterNamesTheOneThatWasLostFirst) {
  Fault("call fails", 1);
  const auto ends =
      Run(absl::Seconds(3), SumOnes, [](int rank, NcclOptions& options) {
        options.diagnosis = absl::Seconds(rank == 1 ? 1 : 30);
        // Rank 0 knows of rank 1's end a second before.
        if (rank == 2) {
          options.gloo.ranks.timeout = absl::Seconds(4);
        }
      });
  EXPECT_THAT(std::string(ends[0].message()), HasSubstr("rank 1 was lost"));
  EXPECT_THAT(std::string(ends[2].message()), HasSubstr("rank 1 was lost"));
}

TEST_F(NcclTest, ARankThatDoesNotComeIsNamedBeforeNcclIsAsked) {
  std::latch both(
      2);  // The rank that ends first is not to be taken for the culprit.
  const auto ends = Run(absl::Seconds(3), [&](int rank, Communicator& comm) {
    if (rank == 2) return absl::OkStatus();
    absl::Status status = SumOnes(rank, comm);
    both.arrive_and_wait();
    return status;
  });
  for (const int rank : {0, 1}) {
    EXPECT_THAT(std::string(ends[static_cast<size_t>(rank)].message()),
                HasSubstr("rank 2"));
  }
}

TEST_F(NcclTest, AStartThatHangsEndsAtTheDeadline) {
  Fault("init hangs", 2);
  for (const absl::Status& end : Run(absl::Seconds(3), SumOnes)) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(end)) << end;
    EXPECT_THAT(std::string(end.message()), HasSubstr("NCCL's start"));
  }
}

TEST_F(NcclTest, ARankWithoutAGpuIsNamedByAll) {
  Fault("no device", 1);
  for (const absl::Status& end : Run(absl::Seconds(3), SumOnes)) {
    EXPECT_THAT(std::string(end.message()),
                AllOf(HasSubstr("rank 1: cudaSetDevice"),
                      HasSubstr("no CUDA-capable")));
    EXPECT_TRUE(absl::IsFailedPrecondition(end));
  }
}

TEST_F(NcclTest, AbortEndsAHangingSumSoon) {
  Fault("call hangs", 0);
  const auto ends = Run(absl::Seconds(60), [](int rank, Communicator& comm) {
    std::thread aborter(
        [&comm] { comm.Abort(absl::CancelledError("the process stops")); });
    absl::Status status = SumOnes(rank, comm);
    aborter.join();
    return status;
  });
  for (const absl::Status& end : ends) {
    EXPECT_FALSE(end.ok());
  }
}

TEST_F(NcclTest, AMissingLibraryIsARefusalThatAllRanksNameAlike) {
  const auto ends =
      Run(absl::Seconds(60), SumOnes, [](int rank, NcclOptions& options) {
        if (rank == 1) options.libraries.nccl = {"libno-such-nccl.so.2"};
      });
  for (const absl::Status& end : ends) {
    EXPECT_TRUE(absl::IsFailedPrecondition(end)) << end;
    EXPECT_THAT(std::string(end.message()),
                AllOf(HasSubstr("NCCL cannot be loaded"),
                      HasSubstr("libno-such-nccl.so.2"),
                      HasSubstr("use collectives gloo")));
  }
  EXPECT_THAT(std::string(ends[0].message()), HasSubstr("rank 1"));
}

TEST_F(NcclTest, AnOldNcclOrOneWithoutAFunctionIsRefused) {
  Call<void(int)>("FakeNcclVersion")(20800);
  EXPECT_THAT(
      std::string(
          LoadNccl({{AHA_FAKE_NCCL}, {AHA_FAKE_NCCL}}).status().message()),
      HasSubstr("must be at least version 21400, is 20800"));
  EXPECT_THAT(
      std::string(
          LoadNccl({{"libm.so.6"}, {AHA_FAKE_NCCL}}).status().message()),
      HasSubstr("libm.so.6 has no function ncclGetVersion"));
}

TEST(RealNcclTest, EveryFunctionIsThereWhereItIsInstalled) {
  const absl::StatusOr<NcclApi> api = LoadNccl({});
  if (!api.ok()) GTEST_SKIP() << api.status().message();
  int version = 0;
  EXPECT_EQ(api->get_version(&version), kNcclSuccess);
  EXPECT_GE(version, 21400);
}

}  // namespace
}  // namespace aha::comm
