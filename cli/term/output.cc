#include "cli/term/output.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/term/json.h"

namespace aha::cli {
namespace {

void Put(absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

Output ParseOutput(absl::string_view name) {
  if (name == "json") return Output::kJson;
  return name == "yaml" ? Output::kYaml : Output::kTable;
}

void Print(const Json& value, absl::string_view text, Output output) {
  switch (output) {
    case Output::kTable:
      Put(text);
      break;
    case Output::kJson:
      Put(ToJsonText(value));
      break;
    case Output::kYaml:
      Put(ToYamlText(value));
      break;
  }
}

void PrintStreamed(const Json& value, Output output) {
  if (output == Output::kYaml) {
    Put(absl::StrCat("---\n", ToYamlText(value)));
  } else {
    Put(absl::StrCat(ToJsonLine(value), "\n"));
  }
  std::fflush(stdout);
}

}  // namespace aha::cli
