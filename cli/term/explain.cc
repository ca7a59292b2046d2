#include "cli/term/explain.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace aha::cli {

std::string Nearest(const std::string& word,
                    const std::vector<std::string>& candidates) {
  const std::string nearest = NearestName(word, candidates);
  return nearest.empty() ? ""
                         : absl::StrCat("; did you mean \"", nearest, "\"?");
}

std::string ExplainExtra(const std::string& word, const CLI::App& command) {
  if (!absl::StartsWith(word, "-")) {
    return absl::StrCat("unexpected argument \"", word, "\"");
  }
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      options.push_back("--" + name);
    }
  }
  const std::string name = word.substr(0, word.find('='));
  return absl::StrCat("unknown option \"", name, "\"", Nearest(name, options));
}

}  // namespace aha::cli
