#include "rpc/metrics.h"

#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <exception>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/version.h"
#include "rpc/security.h"
#include "rpc/server.h"

namespace aha::rpc {
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

// Connects and closes, ignoring failures.
void Connect(const HostPort& to) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints,
                  &found) != 0) {
    return;
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A wildcard address connects to this machine.
  if (fd >= 0) {
    (void)connect(fd, found->ai_addr, found->ai_addrlen);
    close(fd);
  }
  freeaddrinfo(found);
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

struct Metrics::State {
  // Shared because the endpoint keeps weak references.
  std::shared_ptr<prometheus::Registry> registry =
      std::make_shared<prometheus::Registry>(
          prometheus::Registry::InsertBehavior::Merge);
  std::shared_ptr<ProcessSeries> process;  // Null: not those of a process.
};

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

Metrics::Metrics() : state_(std::make_unique<State>()) {}

Metrics::Metrics(const std::string& program) : Metrics() {
  state_->process = std::make_shared<ProcessSeries>();
  AddGauge("aha_build_info", "1; the labels say what runs.",
           {{"program", program}, {"version", Version()}})
      .Set(1);
}

Metrics::~Metrics() = default;

Counter Metrics::AddCounter(const std::string& name, const std::string& help,
                            const Labels& labels) {
  return Counter(&prometheus::BuildCounter()
                      .Name(name)
                      .Help(help)
                      .Register(*state_->registry)
                      .Add(labels));
}

Gauge Metrics::AddGauge(const std::string& name, const std::string& help,
                        const Labels& labels) {
  return Gauge(&prometheus::BuildGauge()
                    .Name(name)
                    .Help(help)
                    .Register(*state_->registry)
                    .Add(labels));
}

Histogram Metrics::AddHistogram(const std::string& name,
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

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry->Collect();
  if (state_->process != nullptr) {
    for (prometheus::MetricFamily& family : state_->process->Collect()) {
      families.push_back(std::move(family));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

struct MetricsServer::State {
  std::unique_ptr<prometheus::Exposer> exposer;
  std::string bound;    // host:port for this machine.
  std::string address;  // host:port for other machines.
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    absl::string_view listen, const Metrics& metrics,
    const std::string& advertise_host) {
  AHA_ASSIGN_OR_RETURN(const HostPort host_port, ParseAddress(listen));
  auto state = std::make_unique<State>();
  try {
    // A silent connection holds a thread until it times out, so there are
    // threads enough and a short timeout to keep scrapes from waiting.
    state->exposer =
        std::make_unique<prometheus::Exposer>(std::vector<std::string>{
            "listening_ports", std::string(listen), "num_threads", "8",
            "request_timeout_ms", "2000"});
  } catch (const std::exception& error) {
    return absl::AlreadyExistsError(absl::StrCat(
        "--metrics-listen: cannot listen on ", listen,
        ": the port is in use, or the address is not this machine's (",
        error.what(), ")"));
  }
  const std::vector<int> ports = state->exposer->GetListeningPorts();
  const bool v6 = host_port.host.find(':') != std::string::npos;
  state->bound = absl::StrCat(v6 ? "[" : "", host_port.host, v6 ? "]" : "", ":",
                              ports.empty() ? host_port.port : ports.front());
  state->address = DialAddress(std::string(listen), advertise_host,
                               ports.empty() ? host_port.port : ports.front());
  std::unique_ptr<MetricsServer> server(new MetricsServer(std::move(state)));
  server->Add(metrics);
  return server;
}

// The endpoint keeps weak references.
void MetricsServer::Add(const Metrics& metrics) {
  state_->exposer->RegisterCollectable(metrics.state_->registry);
  if (metrics.state_->process != nullptr) {
    state_->exposer->RegisterCollectable(metrics.state_->process);
  }
}

MetricsServer::MetricsServer(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

// The HTTP library checks for its end only when its poll(2) of the listening
// socket returns, every 2 s; connections make it return at once.
MetricsServer::~MetricsServer() {
  std::atomic<bool> stopped = false;
  std::thread waker([&] {
    const absl::StatusOr<HostPort> at = ParseAddress(state_->bound);
    while (!stopped && at.ok()) {
      Connect(*at);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  state_->exposer.reset();
  stopped = true;
  waker.join();
}

const std::string& MetricsServer::address() const { return state_->address; }

}  // namespace aha::rpc
