// aha-reward: scores trajectories, assembles groups, delivers them.
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/cancellation.h"
#include "base/signals.h"
#include "base/standard_streams.h"
#include "cluster/service_flags.h"
#include "reward_service/app.h"

// CLI11 throws while flags are added if two of them clash, which no input
// causes. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  aha::OpenStandardStreams();
  aha::rpc::Cancellation terminated;
  aha::rpc::SignalWatcher signals([&](int) { terminated.Cancel(); },
                                  aha::rpc::SignalAgain::kEndsTheProcess);
  aha::rpc::ServiceFlags flags;
  flags.name = "reward-0";
  CLI::App app("Aha reward service: gives completions their rewards.",
               "aha-reward");
  aha::rpc::AddServiceFlags(app, aha::rpc::DialsCoordinator::kYes, flags);
  std::vector<std::string> allowed_commands;
  app.add_option("--allow-command", allowed_commands,
                 "A program that rewards of jobs may run here, by its path; "
                 "repeatable. None is run without it")
      ->type_name("PATH")
      ->envname("AHA_ALLOW_COMMAND")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (const auto code = aha::rpc::ParseServiceFlags(app, argc, argv, flags)) {
    return *code;
  }
  return aha::rpc::RunService(
      flags, terminated, [&](aha::rpc::Cancellation& stop) {
        return aha::reward::Run(flags, allowed_commands, stop);
      });
}
