#include "actor/weight_exchange.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::actor {
namespace {

WeightBuffer Buffer() { return *WeightBuffer::New(8); }

TEST(WeightExchangeTest, KeepsOnlyWhatIsWanted) {
  WeightExchange exchange;
  exchange.Put({0, 1}, Buffer());
  EXPECT_FALSE(exchange.Has({0, 1}));
  exchange.Want({{0, 1}, {0, 2}});
  exchange.Put({0, 1}, Buffer());
  EXPECT_TRUE(exchange.Has({0, 1}));
  exchange.Want({{0, 2}});
  EXPECT_FALSE(exchange.Has({0, 1}));
}

TEST(WeightExchangeTest, TheMostUrgentMissingVersionIsFetchedFirst) {
  WeightExchange exchange;
  exchange.Want({{0, 2}, {0, 1}});
  EXPECT_EQ(exchange.WaitForWanted(absl::ZeroDuration()), (WeightsId{0, 2}));
  exchange.Put({0, 2}, Buffer());
  EXPECT_EQ(exchange.WaitForWanted(absl::ZeroDuration()), (WeightsId{0, 1}));
}

TEST(WeightExchangeTest, WhatWasTakenIsNotWantedAnyMore) {
  WeightExchange exchange;
  exchange.Want({{0, 2}});
  exchange.Put({0, 2}, Buffer());
  EXPECT_TRUE(exchange.Take({0, 2}).has_value());
  EXPECT_FALSE(exchange.Take({0, 2}).has_value());
  EXPECT_FALSE(exchange.Wanted({0, 2}));
  EXPECT_EQ(exchange.WaitForWanted(absl::ZeroDuration()), std::nullopt);
}

TEST(WeightExchangeTest, AWakeBeforeTheWaitIsNotLost) {
  WeightExchange exchange;
  exchange.Wake();
  EXPECT_EQ(exchange.WaitForWanted(absl::Hours(1)), std::nullopt);
}

}  // namespace
}  // namespace aha::actor
