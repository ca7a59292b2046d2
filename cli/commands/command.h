// What every command of ahactl shares: how it is chosen and how it prints.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/term/output.h"

namespace CLI {
class App;
}  // namespace CLI

namespace aha::cli {

// Parsing a command line only sets `action`, which main calls afterwards.
struct Context {
  std::function<int()> action;  // Returns the exit code.
  std::string output = "table";

  Output Format() const { return ParseOutput(output); }
};

// Declares -o.
void AddOutputOption(CLI::App& command, Context& context);
// Declares --set.
void AddSetOption(CLI::App& command, std::vector<std::string>& overrides);

// The directory of ahactl itself, or $AHA_BIN_DIR.
std::string ProgramDirectory();

}  // namespace aha::cli
