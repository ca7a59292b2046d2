#include "run/processes.h"

#include <signal.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/host_name.h"
#include "base/status.h"
#include "run/fields.h"

namespace aha::run {

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& endpoint, Endpoint*) {
  fields("address", endpoint.address);
  fields("epoch", endpoint.epoch);
  fields("pid", endpoint.pid);
  fields("host", endpoint.host);
  fields("metrics_address", endpoint.metrics_address);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& process, ProcessEntry*) {
  fields("name", process.name);
  fields("role", process.role);
  fields("pid", process.pid);
}

bool Endpoint::OnThisHost() const {
  const std::string here = HostName();
  return host.empty() || here.empty() || host == here;
}

std::string EndpointText(const Endpoint& endpoint) {
  return ToLine(endpoint) + "\n";
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text,
                                       absl::string_view what) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseStoredJson(text, what));
  Endpoint endpoint = FromJson<Endpoint>(json);
  if (endpoint.address.empty()) {
    return absl::DataLossError(absl::StrCat(what, ": address is missing"));
  }
  return endpoint;
}

std::string ProcessesText(const std::vector<ProcessEntry>& processes) {
  std::string text = "[";
  for (const ProcessEntry& process : processes) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", "\n  ", ToLine(process));
  }
  return text + (processes.empty() ? "]\n" : "\n]\n");
}

Json ToJson(const ProcessEntry& process) {
  return ToJson<ProcessEntry>(process);
}

absl::StatusOr<std::vector<ProcessEntry>> ParseProcesses(
    absl::string_view text, absl::string_view what) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseStoredJson(text, what));
  if (!json.is_array()) {
    return absl::DataLossError(
        absl::StrCat(what, " must be a JSON list, is ", json.type_name()));
  }
  std::vector<ProcessEntry> processes;
  for (const Json& entry : json) {
    processes.push_back(FromJson<ProcessEntry>(entry));
  }
  return processes;
}

bool ProcessIsAlive(pid_t pid) {
  if (pid <= 0) return false;
  if (::kill(pid, 0) != 0 && errno != EPERM) return false;
  // A zombie holds no resource any more; only its parent can remove it.
  const absl::StatusOr<std::string> stat =
      ReadWholeFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return false;
  // The state follows the program's name, which may hold parentheses.
  const size_t name_end = stat->rfind(')');
  return name_end == std::string::npos || name_end + 2 >= stat->size() ||
         (*stat)[name_end + 2] != 'Z';
}

std::string ProgramOf(pid_t pid) {
  std::error_code error;
  const std::filesystem::path program =
      std::filesystem::read_symlink(absl::StrCat("/proc/", pid, "/exe"), error);
  return error ? "" : program.filename().string();
}

}  // namespace aha::run
