#include "actor/app.h"

#include <memory>
#include <string>
#include <utility>

#include "actor/actor.h"
#include "actor/policy_sampler.h"
#include "actor/prompt_codec.h"
#include "base/log.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "cluster/member.h"
#include "cluster/servers.h"
#include "device/device.h"
#include "job/identity.h"
#include "job/model_setup.h"
#include "job/threads.h"

namespace aha::actor {
namespace {

// What the process computes with.
struct Compute {
  ops::Device device;
  int threads;
};

// FAILED_PRECONDITION (exit code 78) names the kernel that is not invariant.
absl::StatusOr<v1::Certificate> MakeCertificate(const v1::Job& job,
                                                const ModelSetup& setup,
                                                const Compute& compute) {
  AHA_ASSIGN_OR_RETURN(
      const KernelCertificate kernels,
      Certify(setup.config, setup.dtype, compute.device, compute.threads));
  v1::Certificate certificate;
  certificate.set_digest(kernels.digest);
  certificate.set_numeric_class(kernels.numeric_class);
  // The weights come from the learner.
  AHA_ASSIGN_OR_RETURN(const InputFiles model,
                       MeasureModel(job.model(), WithWeights::kNo));
  certificate.mutable_inputs()->insert(model.begin(), model.end());
  return certificate;
}

absl::StatusOr<Compute> ComputeFor(const AppOptions& options,
                                   const v1::Job& job) {
  AHA_ASSIGN_OR_RETURN(const ops::Device device,
                       ops::ParseDevice(options.device));
  return Compute{.device = device,
                 .threads = ComputeThreads(options.threads, job)};
}

absl::Status RunJoined(rpc::Member& member, const AppOptions& options,
                       ModelSetup setup, metrics::Registry& metrics,
                       rpc::Cancellation& stop) {
  const v1::Job& job = member.job();
  AHA_ASSIGN_OR_RETURN(const Compute compute, ComputeFor(options, job));
  ThreadPool pool(compute.threads);
  AHA_ASSIGN_OR_RETURN(
      const std::unique_ptr<PolicySampler> sampler,
      PolicySampler::New(setup.config, setup.dtype,
                         ops::ContextOf(compute.device, &pool),
                         {.max_rows = job.cluster().max_rows()}));
  const std::unique_ptr<PromptCodec> codec = NewPromptCodec(
      setup.tokenizer.get(), job.prompts(), setup.config.eos_token_ids);
  AHA_LOG(kInfo) << "sampling up to " << job.cluster().max_rows()
                 << " sequences at once on the device " << compute.device
                 << " with " << pool.threads() << " threads";
  Actor actor({.sampler = sampler.get(),
               .codec = codec.get(),
               .member = &member,
               .metrics = &metrics,
               .security = options.flags.security});
  return actor.Run(stop);
}

}  // namespace

absl::Status Run(const AppOptions& options, rpc::Cancellation& stop) {
  const rpc::ServiceFlags& flags = options.flags;
  metrics::Registry metrics("aha-actor");
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<metrics::Endpoint> metrics_server,
                       rpc::StartMetrics(flags, metrics));
  AHA_ASSIGN_OR_RETURN(
      const std::unique_ptr<rpc::Member> member,
      rpc::Member::New(
          {.role = v1::ROLE_ACTOR,
           .name = flags.name,
           .metrics_address = metrics_server ? metrics_server->address() : "",
           .coordinator = flags.coordinator,
           .security = flags.security}));
  const rpc::Cancellation::Registration interrupt(
      &stop, [&member] { member->Interrupt(); });
  ModelSetup setup;
  absl::Status status = member->Join(
      rpc::kJoinTimeout,
      [&](const v1::RegisterResponse& response)
          -> absl::StatusOr<v1::Certificate> {
        AHA_ASSIGN_OR_RETURN(setup, SetUpModel(response.job().model()));
        AHA_ASSIGN_OR_RETURN(const Compute compute,
                             ComputeFor(options, response.job()));
        return MakeCertificate(response.job(), setup, compute);
      });
  if (status.ok()) {
    if (flags.health != nullptr) flags.health->SetReady(true);
    status = RunJoined(*member, options, std::move(setup), metrics, stop);
  }
  if (flags.health != nullptr) flags.health->SetReady(false);
  member->Leave();
  // After a request to stop, an interrupted call is not a failure.
  return stop.cancelled() && absl::IsCancelled(status) ? absl::OkStatus()
                                                       : status;
}

}  // namespace aha::actor
