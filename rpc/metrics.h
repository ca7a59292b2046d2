// A process's Prometheus metrics: a registry of series and the HTTP endpoint
// that serves them.
//
//   rpc::Metrics metrics("aha-actor");
//   rpc::Counter steps = metrics.AddCounter("aha_steps_total", "Steps done.");
//   AHA_ASSIGN_OR_RETURN(auto server,
//                        rpc::MetricsServer::Start("127.0.0.1:0", metrics));
//
// A series exists, at 0, as soon as it is added; add all when the process
// starts.  Adding the same name and labels again returns the same series. Names
// begin with aha_; counters end in _total; times are in seconds.  Counter,
// Gauge and Histogram are handles that may be copied and are valid as long as
// Metrics. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace aha::rpc {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  Counter() = default;  // Counts nothing.
  void Increment(double by = 1) const;
  double Value() const;

 private:
  friend class Metrics;
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
  friend class Metrics;
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  prometheus::Gauge* gauge_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  void Observe(double value) const;

 private:
  friend class Metrics;
  explicit Histogram(prometheus::Histogram* histogram)
      : histogram_(histogram) {}
  prometheus::Histogram* histogram_ = nullptr;
};

class Metrics {
 public:
  // Begins without series: for what is shown beside the process's own, for
  // example a job that a process serves for a while.
  Metrics();
  // Adds aha_build_info{program=..., version=...} 1 and the process's own
  // series (process_resident_memory_bytes, process_cpu_seconds_total,
  // process_start_time_seconds).
  explicit Metrics(const std::string& program);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

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
  friend class MetricsServer;
  struct State;
  std::unique_ptr<State> state_;
};

// Serves GET /metrics, as plain HTTP on any address: metrics are not secret,
// and Prometheus and probes present no certificate.
class MetricsServer {
 public:
  // `metrics` must outlive it.  ALREADY_EXISTS: the port is in use.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      absl::string_view listen, const Metrics& metrics,
      const std::string& advertise_host = "");
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Shows these series too, until they are destroyed.
  void Add(const Metrics& metrics);

  // The address that other processes dial (DialAddress).
  const std::string& address() const;

 private:
  struct State;
  explicit MetricsServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::rpc
