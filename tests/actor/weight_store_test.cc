#include "actor/weight_store.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::actor {
namespace {

WeightBuffer Buffer() { return *WeightBuffer::New(8); }

TEST(WeightStoreTest, KeepsOnlyWhatIsWanted) {
  WeightStore store;
  store.Put({0, 1}, Buffer());
  EXPECT_FALSE(store.Has({0, 1}));
  store.Want({{0, 1}, {0, 2}});
  store.Put({0, 1}, Buffer());
  EXPECT_TRUE(store.Has({0, 1}));
  store.Want({{0, 2}});
  EXPECT_FALSE(store.Has({0, 1}));
}

TEST(WeightStoreTest, TheMostUrgentMissingVersionIsFetchedFirst) {
  WeightStore store;
  store.Want({{0, 2}, {0, 1}});
  EXPECT_EQ(store.WaitForWanted(absl::ZeroDuration()), (WeightsId{0, 2}));
  store.Put({0, 2}, Buffer());
  EXPECT_EQ(store.WaitForWanted(absl::ZeroDuration()), (WeightsId{0, 1}));
}

TEST(WeightStoreTest, WhatWasTakenIsNotWantedAnyMore) {
  WeightStore store;
  store.Want({{0, 2}});
  store.Put({0, 2}, Buffer());
  EXPECT_TRUE(store.Take({0, 2}).has_value());
  EXPECT_FALSE(store.Take({0, 2}).has_value());
  EXPECT_FALSE(store.Wanted({0, 2}));
  EXPECT_EQ(store.WaitForWanted(absl::ZeroDuration()), std::nullopt);
}

TEST(WeightStoreTest, AWakeBeforeTheWaitIsNotLost) {
  WeightStore store;
  store.Wake();
  EXPECT_EQ(store.WaitForWanted(absl::Hours(1)), std::nullopt);
}

}  // namespace
}  // namespace aha::actor
