#include "job/reward_program.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "job/config_errors.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

std::string Absolute(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

// The file that a path means, for comparison with another one.
std::string Canonical(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(Absolute(path), error);
  return error ? Absolute(path) : canonical.string();
}

// What the file must be so that the component can use it; "" if it is.
std::string WhyUnusable(const std::string& path, bool executable) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return "there is no such file";
  if (!fs::is_regular_file(status)) return "it is not a file";
  if (::access(path.c_str(), R_OK) != 0) return "it cannot be read";
  if (executable && ::access(path.c_str(), X_OK) != 0) {
    return "it is not executable (chmod +x)";
  }
  return "";
}

// The keys that only programs have, and that the component has.
std::vector<std::string> KeysOfPrograms(const v1::RewardComponent& reward) {
  std::vector<std::string> keys;
  if (reward.command_size() > 0) keys.push_back("command");
  if (reward.has_python()) keys.push_back("python");
  if (reward.has_program()) keys.push_back("program");
  if (reward.has_on_timeout()) keys.push_back("on_timeout");
  if (reward.has_on_crash()) keys.push_back("on_crash");
  return keys;
}

void CheckCommand(const v1::RewardComponent& reward, const std::string& path,
                  ConfigErrors* errors) {
  if (reward.command_size() == 0 || reward.command(0).empty()) {
    errors->Add(ChildPath(path, "command"),
                "must be a list that begins with the path of a program, such "
                "as [./judge]");
  }
  for (const std::string& word : reward.command()) {
    if (word.find('\0') == std::string::npos) continue;
    errors->Add(ChildPath(path, "command"),
                "must have no zero bytes in its texts");
  }
}

void CheckSettings(const v1::Job& job, const v1::RewardComponent& reward,
                   const std::string& path, ConfigErrors* errors) {
  const v1::RewardProgram& program = reward.program();
  const double limit = job.cluster().wait_seconds() / 2;
  if (program.timeout_seconds() > limit) {
    errors->Add(ChildPath(path, "timeout_seconds"),
                absl::StrCat("must be at most half of cluster.wait_seconds (",
                             NumberText(limit),
                             "), so that a program that hangs is "
                             "tried again before the job fails; got ",
                             NumberText(program.timeout_seconds())));
  }
  if (program.has_min_score() && program.has_max_score() &&
      program.min_score() > program.max_score()) {
    errors->Add(ChildPath(path, "min_score"),
                absl::StrCat("must be at most max_score (",
                             NumberText(program.max_score()), "), got ",
                             NumberText(program.min_score())));
  }
  if (program.has_interpreter() && reward.type() != kPythonReward) {
    errors->Add(
        ChildPath(path, "interpreter"),
        absl::StrCat("must be absent for a reward of type ", reward.type()));
  }
}

}  // namespace

bool IsProgramReward(const v1::RewardComponent& reward) {
  return reward.type() == kCommandReward || reward.type() == kPythonReward;
}

absl::StatusOr<PythonFunction> ParsePythonFunction(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon != absl::string_view::npos) {
    const PythonFunction function = {
        .file = std::string(text.substr(0, colon)),
        .name = std::string(text.substr(colon + 1))};
    const bool zero = text.find('\0') != absl::string_view::npos;
    if (!function.file.empty() && !function.name.empty() && !zero) {
      return function;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "must be FILE.py:FUNCTION, such as my_reward.py:score; got '",
      text.substr(0, 200), "'"));
}

void FillProgramType(v1::RewardComponent* reward) {
  if (reward->has_type()) return;
  if (reward->has_python()) {
    reward->set_type(kPythonReward);
  } else if (reward->command_size() > 0) {
    reward->set_type(kCommandReward);
  }
}

void MakeProgramAbsolute(v1::RewardComponent* reward) {
  if (reward->command_size() > 0) {
    reward->set_command(0, Absolute(reward->command(0)));
  }
  if (const auto function = ParsePythonFunction(reward->python());
      function.ok()) {
    reward->set_python(
        absl::StrCat(Absolute(function->file), ":", function->name));
  }
  if (reward->program().has_interpreter()) {
    reward->mutable_program()->set_interpreter(
        Absolute(reward->program().interpreter()));
  }
}

void CheckProgramReward(const v1::Job& job, int index, const std::string& path,
                        ConfigErrors* errors) {
  const v1::RewardComponent& reward = job.rewards(index);
  if (!IsProgramReward(reward)) {
    for (const std::string& key : KeysOfPrograms(reward)) {
      errors->Add(
          ChildPath(path, key),
          absl::StrCat("must be absent for a reward of type ", reward.type()));
    }
    return;
  }
  if (reward.type() == kCommandReward) {
    CheckCommand(reward, path, errors);
    if (reward.has_python()) {
      errors->Add(ChildPath(path, "python"),
                  "must be absent beside command: a component has one of them");
    }
  } else {
    if (const auto function = ParsePythonFunction(reward.python());
        !function.ok()) {
      errors->Add(ChildPath(path, "python"), function.status().message());
    }
    if (reward.command_size() > 0) {
      errors->Add(ChildPath(path, "command"),
                  "must be absent beside python: a component has one of them");
    }
  }
  CheckSettings(job, reward, ChildPath(path, "program"), errors);
}

std::string ProgramKey(const v1::RewardComponent& reward, int index) {
  return ChildPath(ItemPath("rewards", index), reward.type());
}

std::string ProgramFile(const v1::RewardComponent& reward) {
  if (reward.type() == kPythonReward) {
    const auto function = ParsePythonFunction(reward.python());
    return function.ok() ? function->file : "";
  }
  return reward.command_size() > 0 ? reward.command(0) : "";
}

std::vector<std::string> ProgramsOf(const v1::Job& job) {
  std::vector<std::string> programs;
  for (const v1::RewardComponent& reward : job.rewards()) {
    if (!IsProgramReward(reward)) continue;
    programs.push_back(ProgramFile(reward));
    if (reward.program().has_interpreter()) {
      programs.push_back(reward.program().interpreter());
    }
  }
  return programs;
}

absl::Status CheckProgramsAllowed(const v1::Job& job,
                                  absl::Span<const std::string> allowed) {
  std::vector<std::string> known;
  for (const std::string& path : allowed) known.push_back(Canonical(path));
  for (int i = 0; i < job.rewards_size(); ++i) {
    const v1::RewardComponent& reward = job.rewards(i);
    if (!IsProgramReward(reward)) continue;
    std::vector<std::pair<std::string, std::string>> files = {
        {ProgramKey(reward, i), ProgramFile(reward)}};
    if (reward.program().has_interpreter()) {
      files.emplace_back(
          ChildPath(ItemPath("rewards", i), "program.interpreter"),
          reward.program().interpreter());
    }
    for (const auto& [key, file] : files) {
      if (std::find(known.begin(), known.end(), Canonical(file)) !=
          known.end()) {
        continue;
      }
      return absl::PermissionDeniedError(absl::StrCat(
          key, ": ", file,
          " may not be run here; the operator allows it with --allow-command ",
          file, " (docs/security.md)"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckProgramFiles(const v1::Job& job) {
  ConfigErrors errors;
  for (int i = 0; i < job.rewards_size(); ++i) {
    const v1::RewardComponent& reward = job.rewards(i);
    if (!IsProgramReward(reward)) continue;
    const std::string file = ProgramFile(reward);
    const bool command = reward.type() == kCommandReward;
    if (const std::string why = WhyUnusable(file, command); !why.empty()) {
      errors.Add(ProgramKey(reward, i), absl::StrCat(file, ": ", why));
    }
    const std::string& interpreter = reward.program().interpreter();
    if (interpreter.empty()) continue;
    if (const std::string why = WhyUnusable(interpreter, true); !why.empty()) {
      errors.Add(ChildPath(ItemPath("rewards", i), "program.interpreter"),
                 absl::StrCat(interpreter, ": ", why));
    }
  }
  return errors.ToStatus();
}

}  // namespace aha
