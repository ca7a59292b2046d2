#include "metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <utility>

#include "base/version.h"
#include "metrics/registry_state.h"

namespace aha::metrics {
namespace {

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The process's own series, read at each scrape, with the names that every
// Prometheus client uses.
class ProcessSeries : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    return {One("process_resident_memory_bytes", "Resident memory size.",
                prometheus::MetricType::Gauge, ResidentBytes()),
            One("process_cpu_seconds_total", "User and system CPU time.",
                prometheus::MetricType::Counter, CpuSeconds()),
            One("process_start_time_seconds", "Start, since the Unix epoch.",
                prometheus::MetricType::Gauge, start_)};
  }

 private:
  static prometheus::MetricFamily One(const char* name, const char* help,
                                      prometheus::MetricType type,
                                      double value) {
    prometheus::ClientMetric metric;
    metric.gauge.value = value;
    metric.counter.value = value;
    return {name, help, type, {metric}};
  }

  const double start_ = static_cast<double>(std::time(nullptr));
};

}  // namespace

void Counter::Increment(double by) const {
  if (counter_ != nullptr) counter_->Increment(by);
}
double Counter::Value() const {
  return counter_ == nullptr ? 0 : counter_->Value();
}
void Gauge::Set(double value) const {
  if (gauge_ != nullptr) gauge_->Set(value);
}
void Gauge::Increment(double by) const {
  if (gauge_ != nullptr) gauge_->Increment(by);
}
double Gauge::Value() const { return gauge_ == nullptr ? 0 : gauge_->Value(); }
void Histogram::Observe(double value) const {
  if (histogram_ != nullptr) histogram_->Observe(value);
}

Registry::Registry() : state_(std::make_unique<State>()) {}

Registry::Registry(const std::string& program) : Registry() {
  state_->process = std::make_shared<ProcessSeries>();
  AddGauge("aha_build_info", "1; the labels say what runs.",
           {{"program", program}, {"version", Version()}})
      .Set(1);
}

Registry::~Registry() = default;

Counter Registry::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  return Counter(&prometheus::BuildCounter()
                      .Name(name)
                      .Help(help)
                      .Register(*state_->registry)
                      .Add(labels));
}

Gauge Registry::AddGauge(const std::string& name, const std::string& help,
                         const Labels& labels) {
  return Gauge(&prometheus::BuildGauge()
                    .Name(name)
                    .Help(help)
                    .Register(*state_->registry)
                    .Add(labels));
}

Histogram Registry::AddHistogram(const std::string& name,
                                 const std::string& help,
                                 const std::vector<double>& buckets,
                                 const Labels& labels) {
  return Histogram(
      &prometheus::BuildHistogram()
           .Name(name)
           .Help(help)
           .Register(*state_->registry)
           .Add(labels, prometheus::Histogram::BucketBoundaries(buckets)));
}

std::string Registry::Text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry->Collect();
  if (state_->process != nullptr) {
    for (prometheus::MetricFamily& family : state_->process->Collect()) {
      families.push_back(std::move(family));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace aha::metrics
