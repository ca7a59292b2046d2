// aha-learner: a learner rank.
#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/cancellation.h"
#include "base/signals.h"
#include "base/standard_streams.h"
#include "cluster/service_flags.h"
#include "learner/service.h"

// CLI11 throws while flags are added if the flags are wrong: our mistake.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  aha::OpenStandardStreams();
  aha::rpc::Cancellation terminated;
  const aha::rpc::SignalWatcher signals([&](int) { terminated.Cancel(); },
                                        aha::rpc::SignalAgain::kEndsTheProcess);
  aha::learner::ServiceOptions options;
  CLI::App app("Trains the policy: one rank of the learner rank set.",
               "aha-learner");
  aha::rpc::AddServiceFlags(app, aha::rpc::DialsCoordinator::kYes,
                            options.flags);
  app.add_option("--rank", options.rank, "This process's rank in the rank set")
      ->envname("AHA_RANK")
      ->capture_default_str();
  app.add_option("--collectives", options.collectives,
                 "What sums gradients between ranks: gloo (TCP) or nccl (GPUs; "
                 "libnccl.so.2 and the CUDA runtime must be installed)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, aha::learner::Collectives>{
              {"gloo", aha::learner::Collectives::kGloo},
              {"nccl", aha::learner::Collectives::kNccl}}));
  app.add_option("--device", options.device,
                 "Device to compute on: cpu, or reference (slow; it defines "
                 "the results that other devices are tested against)")
      ->envname("AHA_DEVICE")
      ->check(CLI::IsMember({"cpu", "reference"}))
      ->capture_default_str();
  app.add_option("--gpu", options.gpu,
                 "The number of this rank's GPU, for --collectives nccl")
      ->check(CLI::Range(0, 1023))
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "Compute threads; 0: the job's cluster.threads, or all cores")
      ->envname("AHA_THREADS")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  if (const auto code =
          aha::rpc::ParseServiceFlags(app, argc, argv, options.flags)) {
    return *code;
  }
  if (options.flags.name.empty()) {
    options.flags.name = absl::StrCat("learner-", options.rank);
  }
  return aha::rpc::RunService(options.flags, terminated,
                              [&](aha::rpc::Cancellation& stop) {
                                aha::learner::Service service(options);
                                const aha::rpc::Cancellation::Registration end(
                                    &stop, [&] { service.Stop(); });
                                return service.Run();
                              });
}
