// Runs the same tests on the local and the Gloo communicator, with ranks as
// threads.
#include "comm/communicator.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "comm/directory_store.h"
#include "comm/gloo.h"
#include "comm/local.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::comm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Ranks = std::vector<std::unique_ptr<Communicator>>;

constexpr absl::Duration kPatient = absl::Seconds(60);
constexpr absl::Duration kImpatient = absl::Seconds(2);

std::string FreshDirectory() {
  static int counter = 0;
  const testing::TestInfo* test =
      testing::UnitTest::GetInstance()->current_test_info();
  std::string name = absl::StrCat(test->test_suite_name(), test->name());
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  std::string path = absl::StrCat(testing::TempDir(), "/aha_comm_", ::getpid(),
                                  "_", name, "_", ++counter);
  std::filesystem::remove_all(path);
  return path;
}

void OnThreads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

Ranks Gloo(int size, absl::Duration timeout) {
  Ranks ranks(static_cast<size_t>(size));
  const std::string directory = FreshDirectory();
  OnThreads(size, [&](int rank) {
    auto connected =
        ConnectGloo({.ranks = {.rank = rank, .size = size, .timeout = timeout},
                     .rendezvous_directory = directory});
    ASSERT_TRUE(connected.ok()) << connected.status();
    ranks[static_cast<size_t>(rank)] = *std::move(connected);
  });
  std::filesystem::remove_all(directory);
  return ranks;
}

Ranks Local(int size, absl::Duration timeout) {
  auto ranks = NewLocalRanks(size, timeout);
  EXPECT_TRUE(ranks.ok()) << ranks.status();
  return *std::move(ranks);
}

struct Body {
  const char* name;
  Ranks (*make)(int size, absl::Duration timeout);
  friend void PrintTo(const Body& body, std::ostream* out) {
    *out << body.name;
  }
};

class CommunicatorTest : public testing::TestWithParam<std::tuple<Body, int>> {
 protected:
  int size() const { return std::get<1>(GetParam()); }
  Ranks Make(absl::Duration timeout = kPatient) {
    return std::get<0>(GetParam()).make(size(), timeout);
  }
};

// Tests of waits for other ranks.
class PeersTest : public CommunicatorTest {};

// Numbers of all sizes and signs.  A linear congruential generator is enough,
// and it is cheap under ThreadSanitizer.
std::vector<int64_t> Numbers(int rank, size_t count) {
  uint64_t state = static_cast<uint64_t>(rank) + 1;
  std::vector<int64_t> numbers(count);
  for (int64_t& number : numbers) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    number = static_cast<int64_t>(state ^ (state >> 29));
  }
  return numbers;
}

TEST_P(CommunicatorTest, SumsAreExactAlsoWhereTheyWrap) {
  Ranks ranks = Make();
  // 1 and 3: fewer elements than ranks; the last is more than a segment.
  for (const size_t count :
       {size_t{1}, size_t{3}, size_t{1000}, size_t{300001}}) {
    std::vector<int64_t> expected(count, 0);
    for (int rank = 0; rank < size(); ++rank) {
      const std::vector<int64_t> part = Numbers(rank, count);
      for (size_t i = 0; i < count; ++i) {
        expected[i] = static_cast<int64_t>(static_cast<uint64_t>(expected[i]) +
                                           static_cast<uint64_t>(part[i]));
      }
    }
    OnThreads(size(), [&](int rank) {
      std::vector<int64_t> values = Numbers(rank, count);
      const absl::Status status =
          ranks[static_cast<size_t>(rank)]->AllReduceSum(
              "numbers", absl::MakeSpan(values));
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(
          std::memcmp(values.data(), expected.data(), count * sizeof(int64_t)),
          0);
    });
  }
}

// Shards of very different sizes: rank 0 has none, the last has the most.
std::vector<Shard> UnevenShards(size_t count, int ranks) {
  std::vector<Shard> shards;
  size_t begin = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    const size_t end =
        rank + 1 == ranks
            ? count
            : begin + std::min(count - begin, static_cast<size_t>(rank) * 3);
    shards.push_back({begin, end});
    begin = end;
  }
  return shards;
}

// Even and uneven partitions of several sizes: none, fewer elements than ranks,
// and more than one piece of a transfer.
std::vector<std::vector<Shard>> Partitions(int ranks) {
  std::vector<std::vector<Shard>> partitions;
  for (const size_t count :
       {size_t{0}, size_t{2}, size_t{1000}, (size_t{5} << 18) + 5}) {
    partitions.push_back(EvenShards(count, ranks, count > 1000 ? 16384 : 1));
    partitions.push_back(UnevenShards(count, ranks));
  }
  return partitions;
}

TEST_P(CommunicatorTest, AReduceScatterGivesEachRankTheExactSumsOfItsShard) {
  Ranks ranks = Make();
  for (const std::vector<Shard>& shards : Partitions(size())) {
    const size_t count = shards.back().end;
    std::vector<int64_t> expected(count, 0);
    for (int rank = 0; rank < size(); ++rank) {
      const std::vector<int64_t> part = Numbers(rank, count);
      for (size_t i = 0; i < count; ++i) {
        expected[i] = static_cast<int64_t>(static_cast<uint64_t>(expected[i]) +
                                           static_cast<uint64_t>(part[i]));
      }
    }
    OnThreads(size(), [&](int rank) {
      const Shard mine = shards[static_cast<size_t>(rank)];
      std::vector<int64_t> values = Numbers(rank, count);
      const absl::Status status =
          ranks[static_cast<size_t>(rank)]->ReduceScatterSum(
              "numbers", absl::MakeSpan(values), shards);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(absl::MakeSpan(values).subspan(mine.begin, mine.size()),
                absl::MakeSpan(expected).subspan(mine.begin, mine.size()))
          << ToString(shards);
    });
  }
}

template <class T>
void ExpectAllGather(Ranks& ranks, const std::vector<Shard>& shards) {
  const auto element = [](size_t i) { return static_cast<T>(i % 251 + 1); };
  OnThreads(static_cast<int>(ranks.size()), [&](int rank) {
    const Shard mine = shards[static_cast<size_t>(rank)];
    std::vector<T> values(shards.back().end);
    for (size_t i = mine.begin; i < mine.end; ++i) values[i] = element(i);
    const absl::Status status = ranks[static_cast<size_t>(rank)]->AllGather(
        "elements", absl::MakeSpan(values), shards);
    ASSERT_TRUE(status.ok()) << status;
    size_t wrong = 0;
    for (size_t i = 0; i < values.size(); ++i) wrong += values[i] != element(i);
    EXPECT_EQ(wrong, 0u) << ToString(shards);
  });
}

TEST_P(CommunicatorTest, AnAllGatherGivesEveryRankTheElementsOfEachShard) {
  Ranks ranks = Make();
  for (const std::vector<Shard>& shards : Partitions(size())) {
    ExpectAllGather<double>(ranks, shards);
    ExpectAllGather<uint16_t>(ranks, shards);
  }
}

TEST_P(CommunicatorTest, ShardsThatAreNoPartitionAreRefusedBeforeTheCall) {
  Ranks ranks = Make();
  std::vector<int64_t> values(10);
  std::vector<Shard> overlapping = EvenShards(10, size());
  overlapping.back().end = 11;
  for (const std::vector<Shard>& shards :
       {EvenShards(9, size()), EvenShards(10, size() + 1), overlapping}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        ranks[0]->ReduceScatterSum("n", absl::MakeSpan(values), shards)));
    EXPECT_TRUE(absl::IsInvalidArgument(
        ranks[0]->AllGather("n", absl::MakeSpan(values), shards)));
  }
  EXPECT_EQ(ranks[0]->sequence(), 0u);
  EXPECT_TRUE(ranks[0]->status().ok());
}

TEST_P(CommunicatorTest, EveryRankSeesWhatEachRankGave) {
  Ranks ranks = Make();
  OnThreads(size(), [&](int rank) {
    Communicator& comm = *ranks[static_cast<size_t>(rank)];
    // Rank 0 gives nothing; a zero byte and a large one travel too.
    const auto of = [](int r) {
      std::string bytes(static_cast<size_t>(r) * 100000, 'x');
      if (r > 0) bytes[0] = '\0';
      return bytes;
    };
    const auto all = comm.AllGatherBytes("things", of(rank));
    ASSERT_TRUE(all.ok()) << all.status();
    ASSERT_EQ(all->size(), ranks.size());
    for (int r = 0; r < size(); ++r) {
      EXPECT_EQ((*all)[static_cast<size_t>(r)], of(r));
    }
  });
}

TEST_P(CommunicatorTest, ABroadcastGivesEveryRankTheRootsBytes) {
  Ranks ranks = Make();
  OnThreads(size(), [&](int rank) {
    Communicator& comm = *ranks[static_cast<size_t>(rank)];
    for (int root = 0; root < size(); ++root) {
      const auto got = comm.Broadcast("word", root, absl::StrCat("of ", rank));
      ASSERT_TRUE(got.ok()) << got.status();
      EXPECT_EQ(*got, absl::StrCat("of ", root));
    }
    EXPECT_TRUE(comm.Barrier("end").ok());
    EXPECT_EQ(comm.sequence(), static_cast<uint64_t>(size()) + 1);
  });
}

TEST_P(CommunicatorTest, AGatherGivesTheRootWhatEachRankGave) {
  Ranks ranks = Make();
  // Several pieces and one that is not full; nothing; a few bytes.
  const auto of = [](int r) {
    return std::string(
        r % 3 == 1 ? (size_t{33} << 20) + 7 : static_cast<size_t>(r) * 5,
        static_cast<char>('a' + r));
  };
  OnThreads(size(), [&](int rank) {
    Communicator& comm = *ranks[static_cast<size_t>(rank)];
    for (int root = 0; root < std::min(size(), 2); ++root) {
      const auto all = comm.GatherBytes("things", root, of(rank));
      ASSERT_TRUE(all.ok()) << all.status();
      ASSERT_EQ(all->size(), rank == root ? ranks.size() : 0);
      for (size_t r = 0; r < all->size(); ++r) {
        EXPECT_TRUE((*all)[r] == of(static_cast<int>(r))) << r;
      }
    }
    EXPECT_EQ(comm.waiting(), absl::ZeroDuration());
  });
}

// Returns when `comm` has waited for longer than `limit`, or failed.
void AwaitWaiting(const Communicator& comm, absl::Duration limit) {
  while (comm.waiting() <= limit && comm.status().ok()) {
    absl::SleepFor(absl::Milliseconds(5));
  }
}

TEST_P(PeersTest, ABroadcastMayWaitLongerThanOtherCalls) {
  constexpr absl::Duration kGroups = absl::Seconds(2);
  Ranks ranks = Make(kGroups);
  OnThreads(size(), [&](int rank) {
    if (rank == 0) {
      for (size_t other = 1; other < ranks.size(); ++other) {
        AwaitWaiting(*ranks[other], kGroups);
      }
    }
    const auto got = ranks[static_cast<size_t>(rank)]->Broadcast(
        "word", 0, "go", absl::Minutes(5));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, "go");
  });
}

TEST_P(PeersTest, AMissingRankIsNamedWithTheCallAndTheTime) {
  Ranks ranks = Make(kImpatient);
  // The last rank never comes to the second call.
  OnThreads(size(), [&](int rank) {
    Communicator& comm = *ranks[static_cast<size_t>(rank)];
    ASSERT_TRUE(comm.Barrier("begin").ok());
    if (rank == size() - 1) return;
    std::vector<int64_t> values(10, 1);
    const absl::Status status =
        comm.AllReduceSum("gradients", absl::MakeSpan(values));
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("all-reduce #2 \"gradients\""));
    EXPECT_THAT(std::string(status.message()), HasSubstr("rank"));
    const absl::Status later = comm.Barrier("later");
    EXPECT_EQ(later, status) << "an aborted communicator fails at once";
    EXPECT_EQ(comm.sequence(), 2u);
    if (size() == 2) {
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr("rank 1 did not come within 2s"));
    }
  });
}

// The calls with shards, of ten elements.
absl::Status ScatterOnes(Communicator& comm, const std::vector<Shard>& shards) {
  std::vector<int64_t> values(10, 1);
  return comm.ReduceScatterSum("gradients", absl::MakeSpan(values), shards);
}
absl::Status GatherOnes(Communicator& comm, const std::vector<Shard>& shards) {
  std::vector<float> values(10, 1);
  return comm.AllGather("weights", absl::MakeSpan(values), shards);
}

TEST_P(PeersTest, ARankMissingFromACallWithShardsIsNamedWithTheCall) {
  for (const auto& [call, name] :
       {std::pair(&ScatterOnes, "reduce-scatter #2 \"gradients\""),
        std::pair(&GatherOnes, "all-gather #2 \"weights\"")}) {
    Ranks ranks = Make(kImpatient);
    OnThreads(size(), [&](int rank) {
      Communicator& comm = *ranks[static_cast<size_t>(rank)];
      ASSERT_TRUE(comm.Barrier("begin").ok());
      if (rank == size() - 1) return;
      const absl::Status status = call(comm, EvenShards(10, size()));
      EXPECT_THAT(std::string(status.message()),
                  AllOf(HasSubstr(name), HasSubstr("rank")));
      EXPECT_EQ(comm.Barrier("later"), status);
      if (size() == 2) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
        EXPECT_THAT(std::string(status.message()),
                    HasSubstr("rank 1 did not come within 2s"));
      }
    });
  }
}

TEST_P(PeersTest, ADeadRankEndsACallWithShardsLongBeforeTheDeadline) {
  for (const auto call : {&ScatterOnes, &GatherOnes}) {
    Ranks ranks = Make(absl::Minutes(10));
    OnThreads(size(), [&](int rank) {
      std::unique_ptr<Communicator>& comm = ranks[static_cast<size_t>(rank)];
      if (rank > 0) {
        const absl::Status status = call(*comm, EvenShards(10, size()));
        EXPECT_FALSE(status.ok());
        if (size() == 2) {
          EXPECT_THAT(std::string(status.message()), HasSubstr("rank 0"));
        }
      }
      comm.reset();
    });
  }
}

TEST_P(PeersTest, DifferentShardsAreAnErrorBeforeDataMoves) {
  for (const auto call : {&ScatterOnes, &GatherOnes}) {
    Ranks ranks = Make(absl::Minutes(1));
    OnThreads(size(), [&](int rank) {
      std::unique_ptr<Communicator>& comm = ranks[static_cast<size_t>(rank)];
      const absl::Status status = call(
          *comm, rank == 0 ? UnevenShards(10, size()) : EvenShards(10, size()));
      EXPECT_FALSE(status.ok());
      if (size() == 2) {
        EXPECT_TRUE(absl::IsInternal(status)) << status;
        EXPECT_THAT(std::string(status.message()), HasSubstr("ranks disagree"));
      }
      comm.reset();
    });
  }
}

TEST_P(PeersTest, ElementsOfDifferentSizesAreNotMixed) {
  Ranks ranks = Make(absl::Minutes(1));
  OnThreads(size(), [&](int rank) {
    std::unique_ptr<Communicator>& comm = ranks[static_cast<size_t>(rank)];
    const std::vector<Shard> shards = EvenShards(10, size());
    std::vector<float> narrow(10);
    std::vector<double> wide(10);
    const absl::Status status =
        rank == 0 ? comm->AllGather("w", absl::MakeSpan(narrow), shards)
                  : comm->AllGather("w", absl::MakeSpan(wide), shards);
    EXPECT_FALSE(status.ok());
    if (size() == 2) {
      EXPECT_THAT(std::string(status.message()), HasSubstr("ranks disagree"));
    }
    comm.reset();
  });
}

TEST_P(PeersTest, ADeadRankEndsTheWaitLongBeforeTheDeadline) {
  Ranks ranks = Make(absl::Minutes(10));
  OnThreads(size(), [&](int rank) {
    std::unique_ptr<Communicator>& comm = ranks[static_cast<size_t>(rank)];
    if (rank == 0) {
      comm.reset();
      return;
    }
    const absl::Status status = comm->Barrier("anybody");
    EXPECT_FALSE(status.ok());
    if (size() == 2) {
      EXPECT_THAT(std::string(status.message()), HasSubstr("rank 0"));
    }
    comm.reset();
  });
}

TEST_P(PeersTest, DifferentCallsAreAnErrorThatNamesBoth) {
  Ranks ranks = Make(absl::Minutes(1));
  OnThreads(size(), [&](int rank) {
    std::unique_ptr<Communicator>& comm = ranks[static_cast<size_t>(rank)];
    const absl::Status status = comm->Barrier(rank == 0 ? "left" : "right");
    EXPECT_FALSE(status.ok());
    if (size() == 2) {
      EXPECT_THAT(std::string(status.message()), HasSubstr("ranks disagree"));
      EXPECT_THAT(std::string(status.message()), HasSubstr("left"));
      EXPECT_THAT(std::string(status.message()), HasSubstr("right"));
    }
    comm.reset();
  });
}

TEST_P(PeersTest, AbortFromAnotherThreadWakesAWaitingCall) {
  Ranks ranks = Make(absl::Minutes(10));
  std::thread waiter([&] {
    const absl::Status status = ranks[0]->Barrier("never");
    EXPECT_EQ(status, absl::CancelledError("the user said so"));
  });
  ranks[0]->Abort(absl::CancelledError("the user said so"));
  waiter.join();
  EXPECT_EQ(ranks[0]->Barrier("later"),
            absl::CancelledError("the user said so"));
}

std::string NameOf(const testing::TestParamInfo<std::tuple<Body, int>>& info) {
  return absl::StrCat(std::get<0>(info.param).name, "_",
                      std::get<1>(info.param));
}

const auto kBodies = testing::Values(Body{"local", Local}, Body{"gloo", Gloo});

INSTANTIATE_TEST_SUITE_P(Bodies, CommunicatorTest,
                         testing::Combine(kBodies, testing::Range(1, 5)),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Bodies, PeersTest,
                         testing::Combine(kBodies, testing::Range(2, 5)),
                         NameOf);

TEST(GlooTest, ARankThatNeverStartsIsNamedByTheRendezvous) {
  const std::string directory = FreshDirectory();
  const auto connected = ConnectGloo({.ranks = {.rank = 0, .size = 2},
                                      .rendezvous_directory = directory,
                                      .rendezvous = kImpatient});
  ASSERT_FALSE(connected.ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(connected.status()))
      << connected.status();
  EXPECT_THAT(std::string(connected.status().message()),
              HasSubstr("rank 1 did not come"));
  std::filesystem::remove_all(directory);
}

TEST(CommunicatorOptionsTest, NamesTheFieldTheRuleAndTheValue) {
  EXPECT_THAT(
      std::string(
          CommunicatorOptions{.rank = 2, .size = 2}.Validate().message()),
      HasSubstr("rank must be from 0 to 1, is 2"));
  EXPECT_FALSE(NewLocalRanks(0, kPatient).ok());
  EXPECT_FALSE(
      CommunicatorOptions{.timeout = absl::ZeroDuration()}.Validate().ok());
}

TEST(ShardTest, EvenShardsDifferByOneUnitAtMost) {
  EXPECT_EQ(EvenShards(10, 3), (std::vector<Shard>{{0, 4}, {4, 7}, {7, 10}}));
  EXPECT_EQ(EvenShards(10, 3, 4),
            (std::vector<Shard>{{0, 4}, {4, 8}, {8, 10}}));
  EXPECT_EQ(EvenShards(10, 3, 8),
            (std::vector<Shard>{{0, 8}, {8, 10}, {10, 10}}));
  EXPECT_EQ(EvenShards(0, 2), (std::vector<Shard>{{0, 0}, {0, 0}}));
}

TEST(ShardTest, AnErrorSaysWhereThePartitionBreaks) {
  EXPECT_TRUE(CheckShards(EvenShards(10, 3, 4), 3, 10).ok());
  EXPECT_EQ(CheckShards(std::vector<Shard>{{0, 4}, {5, 10}}, 2, 10),
            absl::InvalidArgumentError("shards must follow one another from 0 "
                                       "to 10, found [5, 10) at 4"));
  EXPECT_EQ(CheckShards(std::vector<Shard>{{0, 4}, {4, 9}}, 2, 10),
            absl::InvalidArgumentError(
                "shards must follow one another from 0 to 10, end at 9"));
  EXPECT_EQ(CheckShards(std::vector<Shard>{{0, 10}}, 2, 10),
            absl::InvalidArgumentError(
                "there must be one shard for each rank (2), got 1"));
}

TEST(DirectoryStoreTest, AnUnwritableDirectoryIsAnErrorThatNamesIt) {
  const auto store = DirectoryStore::Open("/proc/nowhere/epoch");
  EXPECT_THAT(std::string(store.status().message()),
              HasSubstr("/proc/nowhere/epoch"));
}

}  // namespace
}  // namespace aha::comm
