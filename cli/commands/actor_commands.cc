// ahactl actor: shows the actors of a job, adds and removes them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/target.h"
#include "cli/local/control_socket.h"
#include "cli/report/describe.h"
#include "cli/term/exit_code.h"
#include "cli/term/text.h"

namespace aha::cli {
namespace {

// A removal asks the coordinator first, which may take some seconds.
constexpr absl::Duration kSupervisorDeadline = absl::Seconds(10);

struct ActorFlags {
  Target target;
  std::string actor;
  bool all = false;
};

int List(const ActorFlags& flags, Output output) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> client =
      flags.target.Connect();
  if (!client.ok()) return Report(client.status());
  const absl::StatusOr<std::vector<run::MemberView>> members =
      (*client)->ListMembers();
  if (!members.ok()) return Report(members.status());
  std::vector<run::MemberView> shown;
  for (const run::MemberView& member : *members) {
    if (flags.all || member.role == "actor") shown.push_back(member);
  }
  Json list = Json::array();
  for (const run::MemberView& member : shown) list.push_back(ToJson(member));
  Print(list, MemberTable(shown), output);
  return kExitDone;
}

int Say(const std::string& actor, const char* state, Output output) {
  Print({{"actor", actor}, {"state", state}},
        absl::StrCat("actor/", OneLine(actor), " ", state, "\n"), output);
  return kExitDone;
}

int AskLocal(const ActorFlags& flags, const std::string& request,
             const char* state, Output output) {
  if (flags.target.Remote()) {
    return Report(absl::InvalidArgumentError(
        "only `ahactl run` on this machine starts and ends actors: leave out "
        "--address and AHA_ADDRESS, or use `ahactl actor drain`"));
  }
  const absl::StatusOr<run::RunReader> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  const absl::StatusOr<std::string> answer =
      AskSupervisor(run->path(), request, kSupervisorDeadline);
  if (!answer.ok()) return Report(answer.status());
  return Say(*answer, state, output);
}

int Drain(const ActorFlags& flags, Output output) {
  // The supervisor of a local cluster would start the actor again, so it is
  // the one to ask.
  if (!flags.target.Remote()) {
    const absl::StatusOr<run::RunReader> run = flags.target.Run();
    if (run.ok() && AskSupervisor(run->path(), "actor remove " + flags.actor,
                                  kSupervisorDeadline)
                        .ok()) {
      return Say(flags.actor, "draining", output);
    }
  }
  const absl::StatusOr<std::unique_ptr<AdminClient>> client =
      flags.target.Connect();
  if (!client.ok()) return Report(client.status());
  const absl::Status drained = (*client)->DrainMember(flags.actor);
  if (!drained.ok()) return Report(drained);
  return Say(flags.actor, "draining", output);
}

}  // namespace

void AddActorCommands(CLI::App& app, Context& context) {
  CLI::App* actor =
      app.add_subcommand("actor", "See and change the actors of a job");
  actor->footer(
      "The result of the job does not depend on its actors.\n\n"
      "Examples:\n"
      "  ahactl actor list --dir runs/quickstart\n"
      "  ahactl actor add --dir runs/quickstart\n"
      "  ahactl actor remove actor-1 --dir runs/quickstart");
  actor->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* footer,
                       int (*act)(const ActorFlags&, Output)) {
    const auto flags = std::make_shared<ActorFlags>();
    CLI::App* command = actor->add_subcommand(name, help);
    command->footer(footer);
    AddTargetOptions(*command, flags->target, Selects::kJob);
    command->add_option("--job", flags->target.name, "Job, instead of --dir")
        ->type_name("JOB");
    AddOutputOption(*command, context);
    command->callback([flags, act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
    return std::make_pair(command, flags);
  };
  auto [list, flags] = add("list", "List the actors of a live job",
                           "Examples:\n"
                           "  ahactl actor list --job quickstart\n"
                           "  ahactl actor list --job quickstart --all -o json",
                           List);
  list->add_flag("-A,--all", flags->all, "Also learners and reward replicas");
  add("add", "Start one more actor in a local cluster",
      "Examples:\n"
      "  ahactl actor add --job quickstart",
      [](const ActorFlags& f, Output output) {
        return AskLocal(f, "actor add", "added", output);
      });
  const auto add_named = [&](const char* name, const char* help,
                             const char* footer,
                             int (*act)(const ActorFlags&, Output)) {
    auto [command, named] = add(name, help, footer, act);
    command->add_option("ACTOR", named->actor, "Its name, e.g. actor-1")
        ->type_name("PROCESS")
        ->required();
  };
  add_named("remove", "Drain an actor of a local cluster and end it",
            "Other actors sample the groups that it holds.\n\n"
            "Examples:\n"
            "  ahactl actor remove actor-1 --job quickstart",
            [](const ActorFlags& f, Output output) {
              return AskLocal(f, "actor remove " + f.actor, "draining", output);
            });
  add_named("drain", "Ask an actor anywhere to finish its groups and leave",
            "Examples:\n"
            "  ahactl actor drain actor-1 --job quickstart\n"
            "  ahactl actor drain gpu-node-7 --address coordinator:7000 "
            "--insecure",
            Drain);
}

}  // namespace aha::cli
