// aha-actor: samples completions for the coordinator's groups.
#include "CLI/CLI.hpp"
#include "actor/app.h"
#include "base/cancellation.h"
#include "base/signals.h"
#include "base/standard_streams.h"
#include "cluster/service_flags.h"

// CLI11 throws while flags are added if the flags are wrong: our mistake.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  aha::OpenStandardStreams();
  aha::rpc::Cancellation terminated;
  aha::rpc::SignalWatcher signals([&](int) { terminated.Cancel(); },
                                  aha::rpc::SignalAgain::kEndsTheProcess);
  aha::actor::AppOptions options;
  options.flags.name = "actor-0";
  CLI::App app("Aha rollout actor: samples completions.", "aha-actor");
  aha::rpc::AddServiceFlags(app, aha::rpc::DialsCoordinator::kYes,
                            options.flags);
  app.add_option("--threads", options.threads,
                 "Compute threads; 0: the job's cluster.threads, or all cores")
      ->envname("AHA_THREADS")
      ->check(CLI::Range(0, 1024));
  app.add_option("--device", options.device,
                 "Device to compute on: cpu, or reference (slow; it defines "
                 "the results that other devices are tested against)")
      ->envname("AHA_DEVICE")
      ->check(CLI::IsMember({"cpu", "reference"}));
  if (const auto code =
          aha::rpc::ParseServiceFlags(app, argc, argv, options.flags)) {
    return *code;
  }
  return aha::rpc::RunService(options.flags, terminated,
                              [&](aha::rpc::Cancellation& stop) {
                                return aha::actor::Run(options, stop);
                              });
}
