// Fuzzes chat templates in Jinja, which must be rendered or refused. What
// stands after a byte 0 is a message's content.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(input, absl::MaxSplits('\0', 1));
  const auto chat = aha::ChatTemplate::Parse(
      parts.first, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  if (!chat.ok()) return 0;
  const std::string content(parts.second);
  const aha::ChatMessage messages[] = {
      {"system", "Be brief."}, {"user", content}, {"assistant", content}};
  (void)chat->Apply(messages,
                    {.variables = R"({"strftime_now": "2026-01-02"})"});
  (void)chat->Opening({{"user", "What is 1 + 1?"}}, {});
  (void)chat->AfterAnswer();
  const nlohmann::ordered_json tool = {
      {"name", "f"},
      {"parameters", {{"x", {1, 2.5, nullptr, true, "\u00e9"}}}}};
  (void)chat->Render({{"messages", {{{"role", "user"}, {"content", content}}}},
                      {"tools", nlohmann::ordered_json::array({tool})},
                      {"add_generation_prompt", true},
                      {"enable_thinking", false}});
  return 0;
}
