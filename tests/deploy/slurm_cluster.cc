// Implements slurm_cluster.h: writes a configuration for this machine, starts
// the daemons in order and stops them in reverse.
#include "tests/deploy/slurm_cluster.h"

#include <arpa/inet.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace aha::testing {
namespace {

constexpr absl::Duration kStart = absl::Seconds(60);

// A configuration in which DIR, USER, CTLD, NODE1 and NODE2 are filled in. It
// needs neither root nor cgroups nor a database.
constexpr char kConfiguration[] = R"(ClusterName=aha
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=CTLD
AuthType=auth/munge
AuthInfo=socket=DIR/munge.sock
SlurmUser=USER
SlurmdUser=USER
StateSaveLocation=DIR/state
SlurmdSpoolDir=DIR/spool/%n
SlurmctldPidFile=DIR/slurmctld.pid
SlurmdPidFile=DIR/%n.pid
SlurmctldLogFile=DIR/slurmctld.log
SlurmdLogFile=DIR/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=100000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=3
SlurmdTimeout=120
ReturnToService=2
MpiDefault=none
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.2 Port=NODE1 CPUs=4 RealMemory=1000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.3 Port=NODE2 CPUs=4 RealMemory=1000
PartitionName=low Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=120
PartitionName=hi Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
)";

// Returns a port on which no process listens on any address of this machine. It
// is below 32768, so the system does not assign it to an outgoing connection.
std::string FreePort() {
  constexpr int kFirst = 20000, kPorts = 12000;
  static int tried = 0;
  while (tried < kPorts) {
    const int port = kFirst + (getpid() * 31 + tried++) % kPorts;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    const bool bound =
        bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)) == 0;
    close(fd);
    if (bound) return absl::StrCat(port);
  }
  return "0";
}

std::string UserName() {
  const passwd* user = getpwuid(geteuid());
  return user == nullptr ? "root" : user->pw_name;
}

}  // namespace

std::string WhyNoSlurm() {
  for (const char* program :
       {"/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd"}) {
    if (access(program, X_OK) != 0) {
      return absl::StrCat(program,
                          " is not here; run deploy/install-packages --test");
    }
  }
  // slurmd requires control groups even if it is configured to use none.
  struct statfs groups;
  if (statfs("/sys/fs/cgroup", &groups) != 0 || groups.f_type == SYSFS_MAGIC) {
    return "no control groups are mounted on /sys/fs/cgroup";
  }
  return "";
}

SlurmCluster::SlurmCluster() : problem_(Start()) {}

SlurmCluster::~SlurmCluster() {
  if (problem_.empty()) {
    Run({"/usr/bin/scancel", "--partition=low,hi"});
    Eventually(
        [&] {
          return Run({"/usr/bin/squeue", "-h"}).output.empty();
        },
        absl::Seconds(20));
  }
  // The nodes stop first, because they call the other daemons until their end.
  while (!daemons_.empty()) daemons_.pop_back();
}

std::string SlurmCluster::Start() {
  for (const char* folder : {"state", "spool/n1", "spool/n2"}) {
    std::filesystem::create_directories(Path(folder));
  }
  std::ofstream(Path("slurm.conf"))
      << absl::StrReplaceAll(kConfiguration, {{"DIR", directory()},
                                              {"USER", UserName()},
                                              {"CTLD", FreePort()},
                                              {"NODE1", FreePort()},
                                              {"NODE2", FreePort()}});
  std::ofstream(Path("munge.key")) << std::string(64, 'k') << getpid();
  chmod(Path("munge.key").c_str(), 0600);
  const auto start = [&](const std::vector<std::string>& argv) {
    daemons_.push_back(std::make_unique<Service>(
        argv, Path(absl::StrCat("daemon", daemons_.size(), ".out"))));
  };
  start({"/usr/sbin/munged", "--foreground", "--force",
         "--socket=" + Path("munge.sock"), "--key-file=" + Path("munge.key"),
         "--pid-file=" + Path("munged.pid"),
         "--seed-file=" + Path("munge.seed"),
         "--log-file=" + Path("munge.log")});
  if (!Eventually([&] { return access(Path("munge.sock").c_str(), F_OK) == 0; },
                  kStart)) {
    return "munged does not start: " + ReadFileOrEmpty(Path("daemon0.out"));
  }
  start({"/usr/sbin/slurmctld", "-D", "-f", Path("slurm.conf")});
  for (const char* node : {"n1", "n2"}) {
    start({"/usr/sbin/slurmd", "-D", "-f", Path("slurm.conf"), "-N", node});
  }
  bool forbidden = false;
  const bool stands = Eventually(
      [&] {
        forbidden = absl::StrContains(ReadFileOrEmpty(Path("n1.log")),
                                      "Unable to initialize cgroup plugin");
        return forbidden || Run({"/usr/bin/sinfo", "-h", "-t", "idle", "-p",
                                 "low", "-o", "%D"})
                                    .output == "2\n";
      },
      kStart);
  if (forbidden) {
    machine_forbids_ = ReadFileOrEmpty(Path("n1.log"));
    return "";
  }
  if (stands) return "";
  std::string why = "two idle nodes did not come:";
  for (const char* log : {"slurmctld.log", "n1.log", "n2.log"}) {
    absl::StrAppend(&why, "\n", log, ": ", ReadFileOrEmpty(Path(log)));
  }
  return why;
}

CommandResult SlurmCluster::Run(
    const std::vector<std::string>& argv,
    const std::vector<std::string>& environment) const {
  std::vector<std::string> command = {"/usr/bin/env",
                                      "SLURM_CONF=" + Path("slurm.conf")};
  command.insert(command.end(), environment.begin(), environment.end());
  command.insert(command.end(), argv.begin(), argv.end());
  return RunCommand(command);
}

std::string SlurmCluster::Submit(const std::vector<std::string>& options,
                                 const std::vector<std::string>& arguments,
                                 std::vector<std::string> environment) {
  std::vector<std::string> argv = {"/usr/bin/sbatch", "--parsable",
                                   "--output=" + Path("slurm-%j.out")};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.push_back(absl::StrCat(AHA_SOURCE_DIR, "/deploy/slurm/aha.sbatch"));
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  environment.push_back(absl::StrCat("AHA_BIN_DIR=", AHA_BIN_DIR));
  const CommandResult result = Run(argv, environment);
  if (result.exit_code == 0) {
    return std::string(absl::StripSuffix(result.output, "\n"));
  }
  problem_ = result.output;
  return "";
}

std::string SlurmCluster::Field(const std::string& job,
                                const std::string& name) const {
  const std::string text =
      Run({"/usr/bin/scontrol", "--oneliner", "show", "job", job}).output;
  for (absl::string_view field : absl::StrSplit(text, ' ')) {
    if (absl::ConsumePrefix(&field, name + "=")) return std::string(field);
  }
  return "";
}

std::string SlurmCluster::State(const std::string& job) const {
  return Field(job, "JobState");
}

std::string SlurmCluster::ExitCode(const std::string& job) const {
  return Field(job, "ExitCode");
}

std::string SlurmCluster::AwaitEnd(const std::string& job,
                                   absl::Duration limit) const {
  std::string state;
  Eventually(
      [&] {
        state = State(job);
        return state == "COMPLETED" || state == "FAILED" ||
               state == "CANCELLED" || state == "TIMEOUT";
      },
      limit);
  return state;
}

std::string SlurmCluster::Output(const std::string& job) const {
  return ReadFileOrEmpty(Path(absl::StrCat("slurm-", job, ".out")));
}

}  // namespace aha::testing
