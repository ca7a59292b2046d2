#include "job/job.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/overrides.h"
#include "job/problems.h"
#include "job/reader.h"
#include "job/resolve.h"
#include "job/rules.h"
#include "job/semantics.h"
#include "job/yaml_node.h"

namespace aha {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    const std::string text = absl::StrCat(path, ": ", std::strerror(errno));
    return errno == ENOENT || errno == ENOTDIR
               ? absl::NotFoundError(text)
               : absl::InvalidArgumentError(text);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": must be a file"));
  }
  constexpr int64_t kMaxBytes = 1 << 20;  // YAML's own limit is below.
  if (info.st_size > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is no job file, has ", info.st_size, " bytes"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  }
  return text;
}

absl::Status Complete(v1::Job* job, Problems* problems) {
  FillDefaults(job);
  CheckRules(*job, problems);
  AHA_RETURN_IF_ERROR(problems->ToStatus());
  CheckSemantics(*job, problems);
  return problems->ToStatus();
}

}  // namespace

absl::StatusOr<v1::Job> ParseJob(absl::string_view text, absl::string_view name,
                                 absl::Span<const std::string> overrides) {
  AHA_ASSIGN_OR_RETURN(YamlNode root, ParseYaml(text, name));
  for (const std::string& assignment : overrides) {
    AHA_RETURN_IF_ERROR(ApplyOverride(assignment, &root));
  }
  v1::Job job;
  Places places;
  Problems problems(&places);
  ReadJob(root, &job, &places, &problems);
  AHA_RETURN_IF_ERROR(problems.ToStatus());
  AHA_RETURN_IF_ERROR(Complete(&job, &problems));
  return job;
}

absl::StatusOr<v1::Job> LoadJob(const std::string& path,
                                absl::Span<const std::string> overrides) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseJob(text, path, overrides);
}

absl::StatusOr<v1::Job> ResolveJob(const v1::Job& job) {
  v1::Job resolved = job;
  const Places places;
  Problems problems(&places);
  AHA_RETURN_IF_ERROR(Complete(&resolved, &problems));
  return resolved;
}

}  // namespace aha
