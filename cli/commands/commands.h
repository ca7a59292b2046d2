// The commands of ahactl.  Each Add* declares one noun: its commands, their
// options, help and completion, and what they run.
#pragma once

#include "cli/commands/command.h"

namespace CLI {
class App;
}  // namespace CLI

namespace aha::cli {

void AddRunCommand(CLI::App& app, Context& context);
void AddJobCommands(CLI::App& app, Context& context);
void AddSubmitCommand(CLI::App& app, Context& context);
void AddRolloutCommands(CLI::App& app, Context& context);
void AddActorCommands(CLI::App& app, Context& context);
void AddConfigCommands(CLI::App& app, Context& context);
void AddDataCommands(CLI::App& app, Context& context);
void AddRewardCommands(CLI::App& app, Context& context);
void AddToolCommands(CLI::App& app, Context& context);

}  // namespace aha::cli
