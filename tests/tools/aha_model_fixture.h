// Runs the aha-model program on a small model, as a user does.
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/formats/import.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"
#include "tests/model/tiny.h"
#include "tests/temp_dir.h"
#include "text/tokenizer.h"

namespace aha {

struct Outcome {
  int code;
  std::string out;
  std::string err;

  nlohmann::json json() const {
    return nlohmann::json::parse(out, nullptr, false);
  }
  std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> lines;
    for (const absl::string_view line : absl::StrSplit(out, '\n')) {
      if (line.empty()) continue;
      lines.push_back(
          nlohmann::json::parse(line.begin(), line.end(), nullptr, false));
    }
    return lines;
  }
};

inline constexpr char kChatMl[] =
    R"({"chat_template": "{% for message in messages %}{{ '<|im_start|>' +
message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if
add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"})";

class AhaModelTest : public ::testing::Test {
 protected:
  AhaModelTest() {
    const TokenizerFiles tokenizer = CharacterTokenizer();
    ModelConfig config = TinyConfig();
    config.vocab_size = tokenizer.vocab_size;
    std::string chat = kChatMl;
    // The newlines are those of the source text.
    std::replace(chat.begin(), chat.end(), '\n', ' ');
    const ModelFiles files = {config,
                              RandomParameters(config, 7, DType::kF32),
                              tokenizer.tokenizer_json,
                              chat,
                              "",
                              ""};
    EXPECT_TRUE(WriteModel(files, model_).ok());
  }

  // `before` is put before the command, for example environment variables.
  Outcome Run(const std::string& arguments,
              const std::string& before = "") const {
    return RunShell(
        absl::StrCat(before, " exec " AHA_BIN_DIR "/aha-model ", arguments));
  }
  // A redirection in `command` comes after ours and wins.
  Outcome RunShell(const std::string& command) const {
    const std::string whole =
        absl::StrCat("exec >", scratch_ / "out", " 2>", scratch_ / "err",
                     " </dev/null; ", command);
    const int status = std::system(whole.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            FileText(scratch_ / "out"), FileText(scratch_ / "err")};
  }
  // Expects one line that begins with the program's name.
  void ExpectError(const std::string& arguments, int code,
                   const std::string& message) const {
    SCOPED_TRACE(arguments);
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, ::testing::HasSubstr(message));
    EXPECT_THAT(outcome.err, ::testing::StartsWith("aha-model: "));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  }
  std::string File(const std::string& name, const std::string& text) const {
    scratch_.Write(name, text);
    return scratch_ / name;
  }

  const TempDir scratch_;
  const std::string model_ = scratch_ / "model";
};

}  // namespace aha
