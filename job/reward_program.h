// The programs of a user's own that a job's rewards name: `command` and
// `python`.  A reward service runs one only if its operator allows its file.
//
// Pure functions, except for those that say that they look at files;
// thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"
#include "job/config_errors.h"

namespace aha {

inline constexpr char kCommandReward[] = "command";
inline constexpr char kPythonReward[] = "python";

// Whether a program of the user's judges for this component.
bool IsProgramReward(const v1::RewardComponent& reward);

// The text FILE.py:FUNCTION of the key `python`.
struct PythonFunction {
  std::string file;
  std::string name;
};
// INVALID_ARGUMENT: it has not that form.
absl::StatusOr<PythonFunction> ParsePythonFunction(absl::string_view text);

// Sets the type of a component that has none and names a program.
void FillProgramType(v1::RewardComponent* reward);
// Makes the path of the program absolute, from the working directory.
void MakeProgramAbsolute(v1::RewardComponent* reward);

// Adds an error for each key that contradicts the component's type, or that no
// program can be run with.  `path` is that of the component.
void CheckProgramReward(const v1::Job& job, int index, const std::string& path,
                        ConfigErrors* errors);

// The key that names the component's program, with that of the component:
// "rewards[0].command".
std::string ProgramKey(const v1::RewardComponent& reward, int index);
// The file with the program: what is hashed, and what must be allowed.
// REQUIRES: IsProgramReward, and CheckProgramReward found no error.
std::string ProgramFile(const v1::RewardComponent& reward);
// The files that a reward service is to run for the job: the programs, and the
// interpreters that the job names.
std::vector<std::string> ProgramsOf(const v1::Job& job);

// PERMISSION_DENIED, with the flag that would allow it, if a file that the job
// wants to run is not among `allowed`.  Symbolic links are followed on both
// sides.
absl::Status CheckProgramsAllowed(const v1::Job& job,
                                  absl::Span<const std::string> allowed);
// INVALID_ARGUMENT, with the key, if a program of the job does not exist or
// cannot be run.  Looks at the files.
absl::Status CheckProgramFiles(const v1::Job& job);

}  // namespace aha
