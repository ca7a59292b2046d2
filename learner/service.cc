#include "learner/service.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "cluster/member.h"
#include "cluster/servers.h"
#include "comm/gloo.h"
#include "comm/nccl.h"
#include "device/device.h"
#include "grpcpp/impl/service_type.h"
#include "job/identity.h"
#include "job/threads.h"
#include "learner/figures.h"
#include "learner/group_buffer.h"
#include "learner/group_sink_service.h"
#include "learner/learner.h"
#include "learner/rpc_cluster.h"

namespace aha::learner {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(2);

}  // namespace

struct Service::State {
  explicit State(ServiceOptions given)
      : options(std::move(given)),
        metrics("aha-learner"),
        figures(&metrics, MonotonicClock()),
        buffer(MonotonicClock()),
        sink(NewGroupSinkService(&buffer)) {}

  absl::Status Join();
  absl::StatusOr<v1::Certificate> Certify(const v1::RegisterResponse& joined);
  absl::StatusOr<std::unique_ptr<comm::Communicator>> Connect(
      const v1::NextStageResponse& next) const;
  absl::Status Train();
  rpc::MemberEvents Events();
  void Stop(absl::Status why);

  const ServiceOptions options;
  metrics::Registry metrics;
  Figures figures;
  GroupBuffer buffer;
  std::unique_ptr<grpc::Service> sink;
  rpc::Servers servers;
  ModelSetup setup;
  ops::Device device = ops::Device::kCpu;
  std::unique_ptr<ThreadPool> pool;

  Mutex mutex;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  absl::Status why_stopped ABSL_GUARDED_BY(mutex);
  // Each is set once, in this order; Stop reads them.
  std::unique_ptr<rpc::Member> member;
  std::unique_ptr<RpcCluster> cluster;
  std::unique_ptr<Learner> learner;
  rpc::Member* joining ABSL_GUARDED_BY(mutex) = nullptr;
  RpcCluster* calling ABSL_GUARDED_BY(mutex) = nullptr;
  Learner* training ABSL_GUARDED_BY(mutex) = nullptr;
};

void Service::State::Stop(absl::Status why) {
  rpc::Member* leave = nullptr;
  {
    MutexLock lock(mutex);
    if (!stopped) why_stopped = std::move(why);
    stopped = true;
    if (training != nullptr) {
      training->Stop();
      calling->Stop();
    } else {
      leave = joining;
    }
  }
  if (leave != nullptr) leave->Leave();  // Ends Join.
}

absl::StatusOr<v1::Certificate> Service::State::Certify(
    const v1::RegisterResponse& joined) {
  AHA_ASSIGN_OR_RETURN(setup, SetUpModel(joined.job().model()));
  AHA_ASSIGN_OR_RETURN(device, ops::ParseDevice(options.device));
  const int threads = ComputeThreads(options.threads, joined.job());
  pool = std::make_unique<ThreadPool>(threads);
  AHA_ASSIGN_OR_RETURN(
      const KernelCertificate kernels,
      aha::Certify(setup.config, setup.dtype, device, threads));
  AHA_LOG(kInfo) << "certificate " << kernels.digest << " ("
                 << kernels.numeric_class << "), " << threads << " threads";
  v1::Certificate certificate;
  certificate.set_digest(kernels.digest);
  certificate.set_numeric_class(kernels.numeric_class);
  AHA_ASSIGN_OR_RETURN(const InputFiles model,
                       MeasureModel(joined.job().model(), WithWeights::kYes));
  AHA_ASSIGN_OR_RETURN(const InputFiles documents,
                       MeasureDocuments(joined.job()));
  certificate.mutable_inputs()->insert(model.begin(), model.end());
  certificate.mutable_inputs()->insert(documents.begin(), documents.end());
  return certificate;
}

absl::Status Service::State::Join() {
  const rpc::ServiceFlags& flags = options.flags;
  AHA_ASSIGN_OR_RETURN(
      member, rpc::Member::New({.role = v1::ROLE_LEARNER,
                                .name = flags.name,
                                .address = servers.rpc->address(),
                                .metrics_address = servers.metrics_address(),
                                .rank = options.rank,
                                .coordinator = flags.coordinator,
                                .security = flags.security}));
  {
    MutexLock lock(mutex);
    if (stopped) return absl::CancelledError("stopping");
    joining = member.get();
  }
  return member->Join(
      rpc::kJoinTimeout,
      [this](const v1::RegisterResponse& joined) { return Certify(joined); });
}

absl::StatusOr<std::unique_ptr<comm::Communicator>> Service::State::Connect(
    const v1::NextStageResponse& next) const {
  AHA_ASSIGN_OR_RETURN(const HostPort mine,
                       ParseAddress(servers.rpc->address()));
  const std::shared_ptr<const v1::RegisterResponse> joined =
      member->registration();
  const comm::GlooOptions gloo = {
      .ranks = {.rank = static_cast<int>(options.rank),
                .size = next.learner_addresses_size(),
                .timeout =
                    absl::Seconds(joined->job().cluster().wait_seconds())},
      .rendezvous_directory =
          absl::StrCat(joined->run_directory(), "/rendezvous/", joined->epoch(),
                       "-", next.group_epoch()),
      .hostname = mine.host};
  if (options.collectives == Collectives::kGloo) {
    return comm::ConnectGloo(gloo);
  }
  return comm::ConnectNccl({.gloo = gloo, .device = options.gpu});
}

rpc::MemberEvents Service::State::Events() {
  return {.state =
              [this] {
                std::map<uint32_t, std::string> living;
                for (const v1::Peer& peer : member->peers()) {
                  if (peer.role() != v1::ROLE_LEARNER) continue;
                  living[peer.rank()] = peer.address();
                }
                learner->OnLivingLearners(living);
                return rpc::MemberState{
                    .lease_ids = {},
                    .waiting_for = cluster->waiting_for(),
                    .tokens_per_second = figures.tokens_per_second()};
              },
          .directive =
              [this](v1::Directive directive) {
                if (directive == v1::DIRECTIVE_RUN) return;
                AHA_LOG(kInfo)
                    << "the coordinator says " << v1::Directive_Name(directive);
                Stop(absl::OkStatus());
              },
          .lost_leases = nullptr,
          .rejoined =
              [this](const v1::RegisterResponse& joined) {
                AHA_LOG(kInfo) << "joined again, epoch " << joined.epoch();
                learner->Interrupt();
              },
          .failed = [this](const absl::Status& status) { Stop(status); }};
}

absl::Status Service::State::Train() {
  AHA_ASSIGN_OR_RETURN(cluster,
                       RpcCluster::Create(member.get(),
                                          {.address = options.flags.coordinator,
                                           .kind = rpc::ChannelKind::kBulk,
                                           .security = options.flags.security},
                                          options.rank));
  learner = std::make_unique<Learner>(
      LearnerOptions{.rank = options.rank,
                     .job = member->job(),
                     .run_directory = member->registration()->run_directory(),
                     .clock = MonotonicClock(),
                     .sleep = absl::SleepFor},
      LearnerParts{.setup = &setup,
                   .context = ops::ContextOf(device, pool.get()),
                   .cluster = cluster.get(),
                   .buffer = &buffer,
                   .connect =
                       [this](const v1::NextStageResponse& next) {
                         return Connect(next);
                       },
                   .gauges = figures.Gauges()});
  {
    MutexLock lock(mutex);
    if (stopped) return absl::OkStatus();
    calling = cluster.get();
    training = learner.get();
  }
  member->Serve(Events());
  servers.rpc->SetReady(true);
  const absl::Status status = learner->Run();
  MutexLock lock(mutex);
  return status.ok() && stopped ? why_stopped : status;
}

Service::Service(ServiceOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

Service::~Service() = default;

void Service::Stop() { state_->Stop(absl::OkStatus()); }

absl::Status Service::Run() {
  State& state = *state_;
  if (state.options.collectives == Collectives::kNccl) {
    // Before the other ranks wait for this one.
    AHA_RETURN_IF_ERROR(comm::LoadNccl({}).status());
  }
  AHA_ASSIGN_OR_RETURN(state.servers,
                       rpc::StartServers(state.options.flags, state.metrics,
                                         {state.sink.get()}));
  absl::Status status = state.Join();
  if (status.ok()) status = state.Train();
  state.buffer.Close();
  state.servers.rpc->Shutdown(kGrace);
  if (state.member) state.member->Leave();
  MutexLock lock(state.mutex);
  return absl::IsCancelled(status) && state.stopped ? state.why_stopped
                                                    : status;
}

}  // namespace aha::learner
