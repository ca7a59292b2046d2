#include "cli/local/gpus.h"

#include <filesystem>
#include <map>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"

namespace aha::cli {
namespace {

std::vector<std::string> FoldersOf(const std::string& path) {
  std::vector<std::string> folders;
  std::error_code error;
  std::filesystem::directory_iterator it(path, error);
  for (; !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    folders.push_back(it->path().string());
  }
  return folders;
}

// A file of /proc or /sys without the white space around it.
std::string Read(const std::string& path) {
  return std::string(
      absl::StripAsciiWhitespace(ReadWholeFile(path).value_or("")));
}

std::string ModelIn(const std::string& information) {
  for (absl::string_view line : absl::StrSplit(information, '\n')) {
    if (absl::ConsumePrefix(&line, "Model:")) {
      return std::string(absl::StripAsciiWhitespace(line));
    }
  }
  return "NVIDIA GPU";
}

}  // namespace

std::vector<std::string> FindGpus(const std::string& root) {
  std::vector<std::string> gpus;
  for (const std::string& folder :
       FoldersOf(absl::StrCat(root, "/proc/driver/nvidia/gpus"))) {
    gpus.push_back(ModelIn(Read(absl::StrCat(folder, "/information"))));
  }
  if (!gpus.empty()) return gpus;
  for (const std::string& folder :
       FoldersOf(absl::StrCat(root, "/sys/bus/pci/devices"))) {
    // Class 03 is a display controller.
    if (Read(absl::StrCat(folder, "/vendor")) == "0x10de" &&
        absl::StartsWith(Read(absl::StrCat(folder, "/class")), "0x03")) {
      gpus.emplace_back("NVIDIA GPU");
    }
  }
  return gpus;
}

std::string GpuText(const std::vector<std::string>& gpus) {
  std::map<std::string, int> counts;
  for (const std::string& gpu : gpus) ++counts[gpu];
  return absl::StrJoin(counts, ", ", [](std::string* out, const auto& one) {
    if (one.second > 1) absl::StrAppend(out, one.second, " x ");
    out->append(one.first);
  });
}

}  // namespace aha::cli
