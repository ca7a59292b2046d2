#include "base/status.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace aha {
namespace {

absl::Status CountedCall(int* calls, absl::Status result) {
  ++*calls;
  return result;
}

absl::Status ReturnsIfError(int* calls, const absl::Status& result) {
  AHA_RETURN_IF_ERROR(CountedCall(calls, result));
  return absl::AlreadyExistsError("went on");
}

TEST(StatusMacrosTest, AnErrorIsReturnedAndTheCallIsMadeOnce) {
  int calls = 0;
  EXPECT_EQ(ReturnsIfError(&calls, absl::NotFoundError("gone")),
            absl::NotFoundError("gone"));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(absl::IsAlreadyExists(ReturnsIfError(&calls, absl::OkStatus())));
  EXPECT_EQ(calls, 2);
}

absl::StatusOr<std::unique_ptr<int>> MakeOwned(int* calls, int value) {
  ++*calls;
  if (value < 0) return absl::OutOfRangeError("negative");
  return std::make_unique<int>(value);
}

// It uses the macro twice in a scope, to declare and to assign.
absl::StatusOr<int> SumOfTwo(int* calls, int a, int b) {
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<int> owned, MakeOwned(calls, a));
  const int first = *owned;
  AHA_ASSIGN_OR_RETURN(owned, MakeOwned(calls, b));
  return first + *owned;
}

TEST(StatusMacrosTest, AValueIsMovedOutAndTheFirstErrorEndsTheFunction) {
  int calls = 0;
  EXPECT_EQ(*SumOfTwo(&calls, 2, 3), 5);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(SumOfTwo(&calls, -1, 3).status(),
            absl::OutOfRangeError("negative"));
  EXPECT_EQ(calls, 3) << "the second call is not made";
  EXPECT_TRUE(absl::IsOutOfRange(SumOfTwo(&calls, 2, -1).status()));
}

// Both are one statement: an else belongs to the `if` before them.
TEST(StatusMacrosTest, TheyFitWhereAStatementFits) {
  const auto choose = [](bool fails) -> absl::Status {
    if (fails)
      AHA_RETURN_IF_ERROR(absl::InternalError("a"));
    else
      AHA_RETURN_IF_ERROR(absl::OkStatus());
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsInternal(choose(true)));
  EXPECT_TRUE(choose(false).ok());
}

}  // namespace
}  // namespace aha
