#include "reward_service/app.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "cluster/member.h"
#include "cluster/servers.h"
#include "job/identity.h"
#include "job/reward_program.h"
#include "metrics/registry.h"
#include "reward_service/consumer_forwarder.h"
#include "reward_service/job_scorer.h"
#include "reward_service/pipeline.h"
#include "reward_service/service.h"
#include "reward_service/worker_pool.h"

namespace aha::reward {
namespace {

// Stands beside the programs.
constexpr char kPythonShim[] = "aha-reward-python.py";

std::string PathOfShim() {
  std::error_code error;
  const std::filesystem::path self =
      std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? kPythonShim : (self.parent_path() / kPythonShim).string();
}

// Two are enough: a rule takes time linear in a short text, and the cores
// belong to the model.
constexpr int kWorkers = 2;

// "score", "unparsable", ...
std::string OutcomeLabel(v1::RewardOutcome outcome) {
  absl::string_view name = v1::RewardOutcome_Name(outcome);
  absl::ConsumePrefix(&name, "REWARD_OUTCOME_");
  return absl::AsciiStrToLower(name);
}

class App {
 public:
  App(const rpc::ServiceFlags& flags,
      const std::vector<std::string>& allowed_commands, rpc::Cancellation& stop)
      : flags_(flags),
        allowed_commands_(allowed_commands),
        stop_(stop),
        metrics_("aha-reward") {}
  ~App() { Shutdown(); }

  absl::Status Run();

 private:
  PipelineStats Stats();
  void CountPart(const v1::RewardPart& part);
  absl::Status Start();
  absl::Status Join();
  absl::Status MakeScorer();
  void NotReproducible(const std::string& why);
  // Sends the coordinator what it did not take before.
  void ReportAgain();
  void Fail(const absl::Status& status);
  void Shutdown();

  const rpc::ServiceFlags& flags_;
  const std::vector<std::string>& allowed_commands_;
  rpc::Cancellation& stop_;
  metrics::Registry metrics_;
  std::atomic<uint64_t> scored_{0};  // Trajectories, for heartbeats.
  std::unique_ptr<ConsumerForwarder> forwarder_;
  RewardService service_;
  std::unique_ptr<JobScorer> scorer_;  // Stops before the pipeline ends.
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<WorkerPool> workers_;  // Ends before the pipeline.
  rpc::Servers servers_;
  std::unique_ptr<rpc::Member> member_;

  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  // Why the job is not reproducible, until the coordinator knows it.
  std::vector<std::string> unreported_ ABSL_GUARDED_BY(mutex_);
};

PipelineStats App::Stats() {
  const auto outcome = [this](const char* name) {
    return metrics_.AddCounter("aha_reward_trajectories_total",
                               "Trajectories by how scoring ended; an "
                               "infra_error never becomes a reward.",
                               {{"outcome", name}});
  };
  const metrics::Counter scored = outcome("scored");
  const metrics::Counter infra = outcome("infra_error");
  const metrics::Counter refused =
      metrics_.AddCounter("aha_reward_refused_messages_total",
                          "Malformed or contradictory messages.");
  const metrics::Counter bytes = metrics_.AddCounter(
      "aha_reward_received_bytes_total", "Bytes that actors sent.");
  const metrics::Gauge pending = metrics_.AddGauge(
      "aha_reward_pending_bytes", "Bytes of groups held until delivered.");
  const metrics::Histogram seconds = metrics_.AddHistogram(
      "aha_reward_seconds", "Time to score one trajectory.",
      {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10});
  const metrics::Histogram delivery = metrics_.AddHistogram(
      "aha_reward_delivery_seconds",
      "From a group's last reward until its consumer has it.",
      {1e-3, 1e-2, 1e-1, 1, 10, 60});
  PipelineStats stats;
  stats.scored = [this, scored, seconds](const Score& score,
                                         absl::Duration took) {
    scored.Increment();
    ++scored_;
    seconds.Observe(absl::ToDoubleSeconds(took));
    for (const v1::RewardPart& part : score.parts) CountPart(part);
  };
  stats.delivered = [delivery](absl::Duration took) {
    delivery.Observe(absl::ToDoubleSeconds(took));
  };
  stats.received = [bytes](uint64_t count) {
    bytes.Increment(static_cast<double>(count));
  };
  stats.infra_error = [this, infra](const absl::Status& status) {
    infra.Increment();
    // The learners that wait for the group keep waiting: the actor, which sends
    // it again, says after cluster.wait_seconds what has failed.
    ++scored_;
    // A verifier cannot judge by this reference: no retry will help.
    if (absl::IsInvalidArgument(status)) Fail(status);
  };
  stats.refused = [refused](const absl::Status&) { refused.Increment(); };
  stats.pending_bytes = [pending](uint64_t bytes) {
    pending.Set(static_cast<double>(bytes));
  };
  return stats;
}

void App::CountPart(const v1::RewardPart& part) {
  metrics_
      .AddCounter("aha_reward_value_total",
                  "Sum of unweighted rewards, by component.",
                  {{"component", part.name()}})
      .Increment(std::max(0.0, part.value()));
  metrics_
      .AddCounter("aha_reward_verdicts_total",
                  "Verdicts of a component, by how they ended.",
                  {{"component", part.name()},
                   {"outcome", OutcomeLabel(part.outcome())}})
      .Increment();
}

absl::Status App::Start() {
  const metrics::Counter waited = metrics_.AddCounter(
      "aha_wait_seconds_total", "Seconds waited, by what was waited for.",
      {{"waiting_for", "consumer"}});
  forwarder_ = std::make_unique<ConsumerForwarder>(ConsumerForwarder::Options{
      .security = flags_.security, .waited = [waited](absl::Duration time) {
        waited.Increment(absl::ToDoubleSeconds(time));
      }});
  workers_ = std::make_unique<WorkerPool>(kWorkers);
  pipeline_ = std::make_unique<Pipeline>(
      PipelineOptions{},
      Pipeline::Parts{.executor =
                          [this](std::function<void()> task) {
                            workers_->Run(std::move(task));
                          },
                      .forwarder = forwarder_.get(),
                      .outbox = &service_,
                      .clock = MonotonicClock(),
                      .stats = Stats()});
  service_.SetPipeline(pipeline_.get());
  AHA_ASSIGN_OR_RETURN(
      servers_, rpc::StartServers(flags_, metrics_, {service_.grpc_service()}));
  return absl::OkStatus();
}

absl::Status App::Join() {
  rpc::MemberOptions options{.role = v1::ROLE_REWARD,
                             .name = flags_.name,
                             .address = servers_.rpc->address(),
                             .metrics_address = servers_.metrics_address(),
                             .coordinator = flags_.coordinator,
                             .security = flags_.security};
  AHA_ASSIGN_OR_RETURN(member_, rpc::Member::New(std::move(options)));
  const rpc::Cancellation::Registration leave(&stop_,
                                              [this] { member_->Interrupt(); });
  // What cannot be run is a failure of the job, which is reported once this
  // process is a member.
  absl::Status usable;
  AHA_RETURN_IF_ERROR(member_->Join(
      rpc::kJoinTimeout,
      [&](const v1::RegisterResponse& joined)
          -> absl::StatusOr<v1::Certificate> {
        v1::Certificate certificate;
        usable = CheckProgramsAllowed(joined.job(), allowed_commands_);
        if (usable.ok()) usable = CheckProgramFiles(joined.job());
        if (!usable.ok()) return certificate;
        AHA_ASSIGN_OR_RETURN(const InputFiles programs,
                             MeasureRewards(joined.job()));
        certificate.mutable_inputs()->insert(programs.begin(), programs.end());
        return certificate;
      }));
  if (usable.ok()) usable = MakeScorer();
  if (!usable.ok()) {
    Fail(usable);
    return usable;
  }
  forwarder_->SetPatience(
      absl::Seconds(member_->job().cluster().wait_seconds()));
  pipeline_->SetScorer([this](Completion completion, const ScoreDone& done) {
    scorer_->Score(std::move(completion), done);
  });
  pipeline_->SetEpoch(member_->identity().epoch);
  pipeline_->SetOnNewerEpoch([this] { member_->Rejoin(member_->identity()); });
  member_->Serve(
      {.state = [this] { return rpc::MemberState{.progress = scored_}; },
       .directive =
           [this](v1::Directive directive) {
             if (directive == v1::DIRECTIVE_RUN) return;
             AHA_LOG(kInfo) << "the coordinator asked this process to stop";
             stop_.Cancel();
           },
       .rejoined =
           [this](const v1::RegisterResponse& response) {
             pipeline_->SetEpoch(response.epoch());
           },
       .failed =
           [this](const absl::Status& status) {
             MutexLock lock(mutex_);
             failure_.Update(status);
             stop_.Cancel();
           }});
  return absl::OkStatus();
}

absl::Status App::MakeScorer() {
  AHA_ASSIGN_OR_RETURN(
      scorer_,
      JobScorer::Create(member_->job(),
                        {.clock = MonotonicClock(),
                         .python_shim = PathOfShim(),
                         .not_reproducible = [this](const std::string& why) {
                           NotReproducible(why);
                         }}));
  return absl::OkStatus();
}

void App::NotReproducible(const std::string& why) {
  AHA_LOG(kWarning) << "the job is not reproducible: " << why;
  if (member_->ReportNotReproducible(why).ok()) return;
  MutexLock lock(mutex_);
  unreported_.push_back(why);
}

void App::ReportAgain() {
  std::vector<std::string> reports;
  {
    MutexLock lock(mutex_);
    reports.swap(unreported_);
  }
  for (const std::string& why : reports) NotReproducible(why);
}

void App::Fail(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = status;
  }
  AHA_LOG(kError) << status.ToString();
  if (!member_->Report(/*fatal=*/true, std::string(status.message())).ok()) {
    AHA_LOG(kError)
        << "the coordinator could not be informed: the report failed";
  }
  stop_.Cancel();
}

absl::Status App::Run() {
  AHA_RETURN_IF_ERROR(Start());
  const absl::Status joined = Join();
  if (!joined.ok()) {
    MutexLock lock(mutex_);
    if (!failure_.ok()) return failure_;
    return stop_.cancelled() ? absl::OkStatus() : joined;
  }
  servers_.rpc->SetReady(true);
  AHA_LOG(kInfo) << "scoring at " << servers_.rpc->address();
  while (!stop_.SleepFor(absl::Seconds(1))) {
    pipeline_->Tick();
    ReportAgain();
  }
  Shutdown();
  MutexLock lock(mutex_);
  return failure_;
}

void App::Shutdown() {
  if (member_ != nullptr) member_->Leave();
  service_.Close(absl::UnavailableError(
      absl::StrCat("reward replica ", flags_.name, " is shutting down")));
  if (servers_.rpc != nullptr) servers_.rpc->Shutdown(absl::Seconds(1));
  if (forwarder_ != nullptr) forwarder_->Stop();
  workers_.reset();
  if (scorer_ != nullptr) scorer_->Stop();
}

}  // namespace

absl::Status Run(const rpc::ServiceFlags& flags,
                 const std::vector<std::string>& allowed_commands,
                 rpc::Cancellation& stop) {
  return App(flags, allowed_commands, stop).Run();
}

}  // namespace aha::reward
