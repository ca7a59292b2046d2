// A process's Prometheus metrics: a registry of counters, gauges and
// histograms.  A process has one registry and serves it by an endpoint
// (endpoint.h).
//
//   metrics::Registry registry("aha-actor");
//   metrics::Counter steps =
//       registry.AddCounter("aha_steps_total", "Steps done.");
//   steps.Increment();
//
// A series exists, at 0, as soon as it is added; add all when the process
// starts.  Adding the same name and labels again returns the same series. Names
// begin with aha_; counters end in _total; times are in seconds.  Counter,
// Gauge and Histogram are handles that may be copied and are valid as long as
// their registry.  Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace aha::metrics {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  Counter() = default;  // Counts nothing.
  void Increment(double by = 1) const;
  double Value() const;

 private:
  friend class Registry;
  explicit Counter(prometheus::Counter* counter) : counter_(counter) {}
  prometheus::Counter* counter_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void Set(double value) const;
  void Increment(double by = 1) const;
  double Value() const;

 private:
  friend class Registry;
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  prometheus::Gauge* gauge_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  void Observe(double value) const;

 private:
  friend class Registry;
  explicit Histogram(prometheus::Histogram* histogram)
      : histogram_(histogram) {}
  prometheus::Histogram* histogram_ = nullptr;
};

class Registry {
 public:
  // Begins without series: for what is shown beside the process's own, for
  // example a job that a process serves for a while.
  Registry();
  // Adds aha_build_info{program=..., version=...} 1 and the process's own
  // series (process_resident_memory_bytes, process_cpu_seconds_total,
  // process_start_time_seconds).
  explicit Registry(const std::string& program);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter AddCounter(const std::string& name, const std::string& help,
                     const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help,
                 const Labels& labels = {});
  // Buckets: upper bounds, ascending.
  Histogram AddHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& buckets,
                         const Labels& labels = {});

  // The text that the endpoint serves.
  std::string Text() const;

 private:
  friend class Endpoint;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::metrics
