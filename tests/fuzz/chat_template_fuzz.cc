// Fuzzes chat templates in Jinja, which must be recognised or refused.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view jinja(reinterpret_cast<const char*>(data), size);
  const auto recognised = aha::ChatTemplate::Recognise(jinja);
  if (!recognised.ok()) return 0;
  (void)recognised->Apply({{.role = "user", .content = "What is 1 + 1?"}});
  (void)recognised->Apply(
      {{.role = "system", .content = ""}, {.role = "a b", .content = "x"}});
  return 0;
}
