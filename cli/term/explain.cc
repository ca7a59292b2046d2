#include "cli/term/explain.h"

#include <algorithm>

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

std::string ExplainParseError(const CLI::App& app, const CLI::App& command,
                              const CLI::ParseError& error) {
  const std::vector<std::string> extras = app.remaining(true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr ||
      extras.empty()) {
    return error.what();
  }
  // After a misspelt option its value is an unexpected argument, too; the
  // option is the one to name.
  const auto option = std::find_if(
      extras.begin(), extras.end(),
      [](const std::string& word) { return absl::StartsWith(word, "-"); });
  return ExplainExtra(option == extras.end() ? extras.front() : *option,
                      command);
}

}  // namespace aha::cli
