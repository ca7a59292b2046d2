#include "cli/client/admin_client.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "aha/v1/admin.grpc.pb.h"
#include "base/status.h"
#include "rpc/client.h"
#include "rpc/speech.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kProbe = absl::Seconds(2);

run::JobState FromWire(v1::JobState state) {
  static_assert(static_cast<int>(run::JobState::kPending) ==
                    static_cast<int>(v1::JOB_STATE_PENDING) &&
                static_cast<int>(run::JobState::kFailed) ==
                    static_cast<int>(v1::JOB_STATE_FAILED));
  // A newer coordinator may know more states.
  return v1::JobState_IsValid(state) ? static_cast<run::JobState>(state)
                                     : run::JobState::kUnknown;
}

// "actor" for ROLE_ACTOR.
std::string RoleText(v1::Role role) {
  const std::string& name = v1::Role_Name(role);
  return name.empty() ? "unknown"
                      : absl::AsciiStrToLower(absl::StripPrefix(name, "ROLE_"));
}

run::StageView FromWire(const v1::StageStatus& wire) {
  run::StageView stage;
  stage.name = wire.name();
  stage.type = wire.type();
  stage.steps_done = wire.steps_done();
  stage.steps_total = wire.steps_total();
  stage.seconds = wire.seconds();
  stage.done = wire.done();
  stage.running = wire.running();
  stage.metrics.insert(wire.metrics().begin(), wire.metrics().end());
  return stage;
}

run::JobView FromWire(const v1::JobStatus& wire) {
  run::JobView job;
  job.name = wire.name();
  job.state = FromWire(wire.state());
  for (const v1::StageStatus& stage : wire.stages()) {
    job.stages.push_back(FromWire(stage));
  }
  job.current_stage = wire.current_stage();
  job.checksum = wire.checksum();
  job.weights_checksum = wire.weights_checksum();
  job.problem = wire.problem();
  job.not_reproducible = wire.not_reproducible();
  job.waits.assign(wire.waits().begin(), wire.waits().end());
  job.started_unix_seconds = wire.started_unix_seconds();
  job.seconds = wire.seconds();
  job.groups_leased = wire.groups_leased();
  job.groups_delivered = wire.groups_delivered();
  job.tokens_compared = wire.tokens_compared();
  job.tokens_differing = wire.tokens_differing();
  job.run_directory = wire.run_directory();
  job.rollout_tokens_per_second = wire.rollout_tokens_per_second();
  return job;
}

run::MemberView FromWire(const v1::Member& wire) {
  run::MemberView member;
  member.role = RoleText(wire.role());
  member.name = wire.name();
  member.address = wire.address();
  member.metrics_address = wire.metrics_address();
  member.rank = wire.rank();
  member.last_seen_seconds = wire.last_seen_seconds();
  member.leases = wire.leases();
  member.waiting_for = wire.waiting_for();
  member.tokens_per_second = wire.tokens_per_second();
  member.numeric_class = wire.numeric_class();
  member.draining = wire.draining();
  return member;
}

}  // namespace

struct AdminClient::Impl {
  std::unique_ptr<rpc::Client> client;
  absl::Duration deadline;
  bool tls = false;
  rpc::Cancellation cancel;

  template <class Request, class Response>
  using Method = grpc::Status (v1::Admin::Stub::*)(grpc::ClientContext*,
                                                   const Request&, Response*);

  template <class Request, class Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method,
                                const Request& request = {}) {
    Response response;
    const absl::Status status = client->Call(method, request, &response,
                                             {.attempt = deadline,
                                              .total = deadline,
                                              .retry_refused = false,
                                              .cancel = &cancel});
    if (!status.ok()) return Explained(status);
    return response;
  }

  // Adds what gRPC does not say: that the two sides speak differently.
  absl::Status Explained(const absl::Status& status) const {
    if (!absl::IsUnavailable(status)) return status;
    const rpc::Speech speech = rpc::SpeechAt(client->address(), kProbe);
    const bool differ =
        tls ? speech == rpc::Speech::kPlainText : speech == rpc::Speech::kTls;
    if (!differ) return status;
    return absl::UnavailableError(absl::StrCat(
        client->address(),
        tls ? " speaks plain text, not TLS: leave out --tls-cert, --tls-key "
              "and "
              "--tls-ca (and AHA_TLS_*)"
            : " speaks TLS: give --tls-cert, --tls-key and --tls-ca"));
  }

  template <class Request>
  absl::StatusOr<run::JobView> CallJob(Method<Request, v1::JobStatus> method) {
    AHA_ASSIGN_OR_RETURN(const v1::JobStatus status, Call(method));
    return FromWire(status);
  }
};

AdminClient::AdminClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminClient::~AdminClient() = default;

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::New(
    const AdminOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->deadline = options.deadline;
  rpc::ClientOptions client;
  client.address = options.address;
  client.security.tls_cert = options.tls_cert;
  client.security.tls_key = options.tls_key;
  client.security.tls_ca = options.tls_ca;
  client.security.tls_server_name = options.tls_server_name;
  client.security.insecure = options.insecure;
  impl->tls = client.security.tls();
  AHA_RETURN_IF_ERROR(client.security.Validate());
  AHA_ASSIGN_OR_RETURN(impl->client, rpc::Client::New(client));
  return std::unique_ptr<AdminClient>(new AdminClient(std::move(impl)));
}

absl::StatusOr<run::JobView> AdminClient::GetJob() {
  return impl_->CallJob(&v1::Admin::Stub::GetJob);
}

absl::StatusOr<run::JobView> AdminClient::PauseJob() {
  return impl_->CallJob(&v1::Admin::Stub::PauseJob);
}

absl::StatusOr<run::JobView> AdminClient::ResumeJob() {
  return impl_->CallJob(&v1::Admin::Stub::ResumeJob);
}

absl::StatusOr<run::JobView> AdminClient::StopJob() {
  return impl_->CallJob(&v1::Admin::Stub::StopJob);
}

absl::StatusOr<std::vector<run::MemberView>> AdminClient::ListMembers() {
  AHA_ASSIGN_OR_RETURN(const v1::ListMembersResponse response,
                       impl_->Call(&v1::Admin::Stub::ListMembers));
  std::vector<run::MemberView> members;
  for (const v1::Member& member : response.members()) {
    members.push_back(FromWire(member));
  }
  return members;
}

absl::Status AdminClient::DrainMember(const std::string& name) {
  v1::DrainMemberRequest request;
  request.set_name(name);
  return impl_->Call(&v1::Admin::Stub::DrainMember, request).status();
}

absl::StatusOr<bool> AdminClient::SubmitJob(const v1::Job& job, bool resume) {
  v1::SubmitJobRequest request;
  *request.mutable_job() = job;
  request.set_resume(resume);
  AHA_ASSIGN_OR_RETURN(const auto response,
                       impl_->Call(&v1::Admin::Stub::SubmitJob, request));
  return !response.unchanged();
}

absl::StatusOr<std::vector<run::JobView>> AdminClient::ListJobs() {
  AHA_ASSIGN_OR_RETURN(const auto response,
                       impl_->Call(&v1::Admin::Stub::ListJobs));
  std::vector<run::JobView> jobs;
  for (const v1::JobStatus& job : response.jobs()) {
    jobs.push_back(FromWire(job));
    // The coordinator works on another job, and this one has no end state.
    if (job.state() == v1::JOB_STATE_UNSPECIFIED) {
      jobs.back().state = run::JobState::kInterrupted;
    }
  }
  return jobs;
}

absl::StatusOr<std::map<std::string, uint64_t>> AdminClient::ListRunFiles(
    const std::string& job) {
  v1::ListRunFilesRequest request;
  request.set_job(job);
  AHA_ASSIGN_OR_RETURN(const auto response,
                       impl_->Call(&v1::Admin::Stub::ListRunFiles, request));
  std::map<std::string, uint64_t> files;
  for (const v1::RunFile& file : response.files()) {
    files[file.name()] = file.bytes();
  }
  return files;
}

absl::StatusOr<std::string> AdminClient::ReadRunFile(const std::string& job,
                                                     const std::string& name,
                                                     uint64_t offset) {
  v1::ReadRunFileRequest request;
  request.set_job(job);
  request.set_name(name);
  request.set_offset(offset);
  AHA_ASSIGN_OR_RETURN(auto response,
                       impl_->Call(&v1::Admin::Stub::ReadRunFile, request));
  return std::move(*response.mutable_data());
}

absl::Status AdminClient::WatchJob(
    const std::function<bool(const run::JobView&)>& on_status) {
  // A job may take days.  If the coordinator dies, keepalive ends the stream.
  const auto stream = impl_->client->Open(
      &v1::Admin::Stub::WatchJob, {},
      {.deadline = absl::InfiniteDuration(), .cancel = &impl_->cancel});
  v1::JobStatus status;
  while (true) {
    AHA_ASSIGN_OR_RETURN(const bool more, stream->Read(&status));
    if (!more) return absl::OkStatus();
    if (!on_status(FromWire(status))) return absl::OkStatus();
  }
}

void AdminClient::Cancel() { impl_->cancel.Cancel(); }

}  // namespace aha::cli
