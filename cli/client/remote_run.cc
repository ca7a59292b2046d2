#include "cli/client/remote_run.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/cancellation.h"
#include "base/mutex.h"
#include "base/signal_cleanup.h"
#include "base/status.h"
#include "run/layout.h"

namespace aha::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPoll = absl::Milliseconds(500);

bool IsLarge(const std::string& name) {
  return absl::StartsWith(name, absl::StrCat(run::kRolloutsFolder, "/")) ||
         absl::StartsWith(name, absl::StrCat(run::kDatasetsFolder, "/"));
}

// Whether lines are appended to the file; others are replaced as a whole.
bool Grows(const std::string& name) {
  return absl::EndsWith(name, run::kLogSuffix) ||
         absl::EndsWith(name, run::kLinesSuffix);
}

}  // namespace

struct RemoteRun::State {
  std::unique_ptr<AdminClient> client;
  std::string job;
  std::string path;  // Set once, by MakeDirectory.
  Mutex mutex;
  // By file name: how many bytes of it are copied.
  std::map<std::string, uint64_t> copied ABSL_GUARDED_BY(mutex);
  rpc::Cancellation stop;
  std::thread thread;
  std::unique_ptr<SignalCleanup> signal_cleanup;

  // May be called while another call is in progress.
  void Remove() ABSL_LOCKS_EXCLUDED(mutex);
  absl::Status MakeDirectory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Sync() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status Get(const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  std::string Local(const std::string& name) const {
    return absl::StrCat(path, "/", name);
  }
};

absl::Status RemoteRun::State::MakeDirectory() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  if (error) {
    return absl::NotFoundError(absl::StrCat(
        "no directory for temporary files (TMPDIR): ", error.message()));
  }
  std::string pattern = (parent / "ahactl-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, "cannot make " + pattern);
  }
  path = pattern;
  return absl::OkStatus();
}

absl::Status RemoteRun::State::Get(const std::string& name) {
  uint64_t& bytes = copied[name];
  if (!Grows(name)) bytes = 0;
  std::ofstream file(
      Local(name),
      std::ios::binary | (bytes == 0 ? std::ios::trunc : std::ios::app));
  while (true) {
    AHA_ASSIGN_OR_RETURN(const std::string data,
                         client->ReadRunFile(job, name, bytes));
    if (data.empty()) break;
    file.write(data.data(), static_cast<std::streamsize>(data.size()));
    bytes += data.size();
  }
  file.close();
  if (file) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write ", Local(name)));
}

absl::Status RemoteRun::State::Sync() {
  AHA_ASSIGN_OR_RETURN(const auto files, client->ListRunFiles(job));
  for (const auto& [name, bytes] : files) {
    // A name must not lead out of the copy, even if the coordinator sent it.
    if (absl::StartsWith(name, "/") || absl::StrContains(name, "..")) continue;
    const auto known = copied.find(name);
    const bool is_new = known == copied.end();
    if (!is_new && (IsLarge(name) || known->second == bytes)) continue;
    if (!is_new && known->second > bytes)
      known->second = 0;  // It was written again.
    std::error_code ignored;
    fs::create_directories(fs::path(Local(name)).parent_path(), ignored);
    if (IsLarge(name)) {
      std::ofstream(Local(name)).close();
      copied[name] = 0;
      continue;
    }
    AHA_RETURN_IF_ERROR(Get(name));
  }
  return absl::OkStatus();
}

void RemoteRun::State::Remove() {
  stop.Cancel();
  client->Cancel();
  MutexLock lock(mutex);
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

absl::StatusOr<std::unique_ptr<RemoteRun>> RemoteRun::Open(
    const AdminOptions& options, const std::string& job) {
  auto state = std::make_unique<State>();
  AHA_ASSIGN_OR_RETURN(state->client, AdminClient::New(options));
  state->job = job;
  std::unique_ptr<RemoteRun> run(new RemoteRun(std::move(state)));
  State& s = *run->state_;
  {
    MutexLock lock(s.mutex);
    // `-f` commands are ended by Ctrl-C, without a destructor.
    s.signal_cleanup = std::make_unique<SignalCleanup>([&s] { s.Remove(); });
    AHA_RETURN_IF_ERROR(s.MakeDirectory());
    AHA_RETURN_IF_ERROR(s.Sync());
  }
  s.thread = std::thread([&s] {
    while (!s.stop.SleepFor(kPoll)) {
      MutexLock lock(s.mutex);
      if (s.stop.cancelled()) return;  // The copy is removed.
      // A coordinator that does not answer now is asked again.
      (void)s.Sync();
    }
  });
  return run;
}

RemoteRun::RemoteRun(std::unique_ptr<State> state) : state_(std::move(state)) {}

RemoteRun::~RemoteRun() {
  state_->Remove();
  if (state_->thread.joinable()) state_->thread.join();
}

run::RunReader RemoteRun::directory() const {
  return run::RunReader(state_->path);
}

absl::Status RemoteRun::Fetch(const std::string& path) {
  absl::string_view name = path;
  absl::ConsumePrefix(&name, state_->path + "/");
  MutexLock lock(state_->mutex);
  return state_->Get(std::string(name));
}

}  // namespace aha::cli
