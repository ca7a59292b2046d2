#include "metrics/registry.h"

#include <string>
#include <thread>
#include <vector>

#include "base/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::metrics {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(RegistryTest, SeriesExistAtZeroBeforeAnythingHappened) {
  Registry registry("test");
  registry.AddCounter("aha_steps_total", "Steps done.");
  EXPECT_THAT(registry.Text(), HasSubstr("aha_steps_total 0"));
  EXPECT_THAT(registry.Text(), HasSubstr("program=\"test\""));
}

TEST(RegistryTest, TheSameNameAndLabelsAreTheSameSeries) {
  Registry registry("test");
  registry.AddCounter("aha_waits_total", "Waits.", {{"for", "group"}})
      .Increment(2);
  registry.AddCounter("aha_waits_total", "Waits.", {{"for", "group"}})
      .Increment();
  EXPECT_THAT(registry.Text(), HasSubstr("aha_waits_total{for=\"group\"} 3"));
}

TEST(RegistryTest, AHandleThatWasNeverAddedCountsNothing) {
  Counter counter;
  counter.Increment();
  EXPECT_EQ(counter.Value(), 0);
}

TEST(RegistryTest, EachHasTheSeriesOfItsProcess) {
  const std::string text = Registry("aha-test").Text();
  EXPECT_THAT(text, HasSubstr("aha_build_info{program=\"aha-test\",version=\"" +
                              std::string(Version()) + "\"} 1"));
  EXPECT_THAT(text,
              AllOf(HasSubstr("# TYPE process_resident_memory_bytes gauge"),
                    HasSubstr("# TYPE process_cpu_seconds_total counter"),
                    HasSubstr("# TYPE process_start_time_seconds gauge")));
  // A process has some memory and began after 2001.
  const auto value = [&](const std::string& name) {
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos
               ? 0
               : std::stod(text.substr(at + 2 + name.size()));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1e5);
  EXPECT_GT(value("process_start_time_seconds"), 1e9);
}

TEST(RegistryTest, AGaugeIsSetAndMovedBothWays) {
  Registry registry("test");
  const Gauge gauge = registry.AddGauge("aha_pending", "Pending groups.");
  gauge.Set(5);
  gauge.Increment(-2);
  EXPECT_EQ(gauge.Value(), 3);
  EXPECT_THAT(registry.Text(), HasSubstr("\naha_pending 3\n"));
}

TEST(RegistryTest, AHistogramCountsUpToEachBoundAndBeyondTheLast) {
  Registry registry("test");
  const Histogram seconds =
      registry.AddHistogram("aha_wait_seconds", "Waits.", {0.5, 2});
  for (const double value : {0.25, 0.5, 1.0, 8.0}) seconds.Observe(value);
  EXPECT_THAT(registry.Text(),
              AllOf(HasSubstr("aha_wait_seconds_bucket{le=\"0.5\"} 2"),
                    HasSubstr("aha_wait_seconds_bucket{le=\"2\"} 3"),
                    HasSubstr("aha_wait_seconds_bucket{le=\"+Inf\"} 4"),
                    HasSubstr("aha_wait_seconds_sum 9.75"),
                    HasSubstr("aha_wait_seconds_count 4")));
}

TEST(RegistryTest, OtherLabelsAreAnotherSeriesOfTheSameName) {
  Registry registry("test");
  for (const char* role : {"actor", "learner"}) {
    registry.AddGauge("aha_members", "Members.", {{"role", role}}).Increment();
  }
  const std::string text = registry.Text();
  EXPECT_THAT(text, AllOf(HasSubstr("aha_members{role=\"actor\"} 1"),
                          HasSubstr("aha_members{role=\"learner\"} 1")));
  // One help text for both: Prometheus refuses a second.
  EXPECT_EQ(text.find("# HELP aha_members"), text.rfind("# HELP aha_members"));
}

TEST(RegistryTest, ALabelMayContainWhatTheTextFormatUses) {
  Registry registry("test");
  registry.AddGauge("aha_job", "The job.", {{"name", "a\"b\\c\nd"}}).Set(1);
  EXPECT_THAT(registry.Text(), HasSubstr(R"(aha_job{name="a\"b\\c\nd"} 1)"));
}

TEST(RegistryTest, ThreadsMayAddAndCountAtOnce) {
  Registry registry("test");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&registry] {
      for (int n = 0; n < 500; ++n) {
        registry.AddCounter("aha_steps_total", "Steps done.").Increment();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.AddCounter("aha_steps_total", "").Value(), 2000);
}

}  // namespace
}  // namespace aha::metrics
