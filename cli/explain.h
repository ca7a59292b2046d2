// What is wrong with a word of a command line, and what was likely meant.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"

namespace aha::cli {

// "; did you mean \"nearest\"?", or nothing if no candidate is near.
std::string Nearest(const std::string& word,
                    const std::vector<std::string>& candidates);

// An argument that nothing takes.
std::string ExplainExtra(const std::string& word, const CLI::App& command);

}  // namespace aha::cli
