// Explains what is wrong with a word of a command line, and suggests what was
// likely meant.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"

namespace aha::cli {

// "; did you mean \"nearest\"?", or "" if no candidate is near.
std::string Nearest(const std::string& word,
                    const std::vector<std::string>& candidates);

// For an argument that `command` does not take.
std::string ExplainExtra(const std::string& word, const CLI::App& command);

// What is wrong with the command line that `app` refused with `error`;
// `command` is the innermost command that it names.
std::string ExplainParseError(const CLI::App& app, const CLI::App& command,
                              const CLI::ParseError& error);

}  // namespace aha::cli
