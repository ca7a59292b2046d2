// aha-model tokenize and generate.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "cli/term/text.h"
#include "model/generator.h"
#include "nlohmann/json.hpp"
#include "tools/aha_model/aha_model_common.h"

namespace aha::cli {
namespace {

struct Prompt {
  std::string text;
  std::vector<int32_t> ids;
};

absl::StatusOr<Prompt> RenderMessages(const Tokenizer& tokenizer,
                                      std::vector<ChatMessage> messages,
                                      const ChatFlags& chat) {
  if (!chat.system.empty() &&
      (messages.empty() || messages.front().role != "system")) {
    messages.insert(messages.begin(), {"system", chat.system});
  }
  Prompt prompt;
  AHA_ASSIGN_OR_RETURN(prompt.text, tokenizer.ApplyChatTemplate(
                                        messages, {.variables = chat.kwargs}));
  // A template renders the tokens that begin a sequence itself.
  AHA_ASSIGN_OR_RETURN(prompt.ids, tokenizer.Encode(prompt.text));
  return prompt;
}

absl::StatusOr<Prompt> MakePrompt(const Tokenizer& tokenizer,
                                  const std::string& text,
                                  const ChatFlags& chat) {
  if (chat.chat) return RenderMessages(tokenizer, {{"user", text}}, chat);
  Prompt prompt{text, {}};
  AHA_ASSIGN_OR_RETURN(prompt.ids, tokenizer.EncodePrompt(prompt.text));
  return prompt;
}

// The other flags say how a conversation is rendered.
absl::Status CheckChat(const ChatFlags& chat, bool conversations) {
  const char* flag = !chat.system.empty()   ? "--system"
                     : !chat.kwargs.empty() ? "--chat-template-kwargs"
                                            : nullptr;
  if (flag == nullptr || conversations) return absl::OkStatus();
  return UsageError(absl::StrCat(flag, " needs --chat"));
}

absl::StatusOr<std::vector<ChatMessage>> ReadMessages(const Json& array) {
  if (!array.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat("messages must be an array, got ", Show(array)));
  }
  std::vector<ChatMessage> messages(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string name = absl::StrCat("messages[", i, "]");
    if (!array[i].is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " must be an object, got ", Show(array[i])));
    }
    for (const auto& [key, text] :
         {std::pair("role", &messages[i].role),
          std::pair("content", &messages[i].content)}) {
      const auto member = array[i].find(key);
      if (member == array[i].end() || !member->is_string()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, ".", key, " must be a string, got ",
                         member == array[i].end() ? "nothing" : Show(*member)));
      }
      *text = member->get<std::string>();
    }
  }
  return messages;
}

absl::StatusOr<Prompt> PromptOfLine(const Tokenizer& tokenizer,
                                    const Json& object, const ChatFlags& chat) {
  if (object.contains("messages")) {
    AHA_ASSIGN_OR_RETURN(std::vector<ChatMessage> messages,
                         ReadMessages(object["messages"]));
    return RenderMessages(tokenizer, std::move(messages), chat);
  }
  const auto text = object.find("prompt");
  if (text == object.end() || !text->is_string()) {
    return absl::InvalidArgumentError(
        "must have \"prompt\", a string, or \"messages\"");
  }
  return MakePrompt(tokenizer, text->get<std::string>(), chat);
}

absl::StatusOr<std::vector<Prompt>> ReadPrompts(
    const Tokenizer& tokenizer, const GenerateOptions& options) {
  std::vector<Prompt> prompts;
  AHA_RETURN_IF_ERROR(CheckChat(
      options.chat, options.chat.chat || !options.prompts_path.empty()));
  if (options.prompts_path.empty()) {
    absl::StatusOr<Prompt> prompt =
        MakePrompt(tokenizer, options.prompt, options.chat);
    if (absl::IsInvalidArgument(prompt.status())) {
      return UsageError(absl::StrCat("--prompt: ", prompt.status().message()));
    }
    if (!prompt.ok()) return prompt.status();
    if (prompt->ids.empty()) {
      return UsageError("--prompt must not be empty");
    }
    prompts.push_back(*std::move(prompt));
    return prompts;
  }
  AHA_RETURN_IF_ERROR(
      ForEachLine(options.prompts_path, [&](const Json& object) {
        absl::StatusOr<Prompt> prompt =
            PromptOfLine(tokenizer, object, options.chat);
        if (!prompt.ok()) return prompt.status();
        if (prompt->ids.empty()) {
          return absl::InvalidArgumentError("prompt must not be empty");
        }
        prompts.push_back(*std::move(prompt));
        return absl::OkStatus();
      }));
  return prompts;
}

// A completion as rewards see it: without the token that ended it.
absl::Span<const int32_t> WithoutEnd(const Sample& sample) {
  absl::Span<const int32_t> tokens = sample.tokens;
  if (sample.finish_reason == FinishReason::kStop) tokens.remove_suffix(1);
  return tokens;
}

// Prints the text of a completion as it grows.
class Stream {
 public:
  explicit Stream(const Tokenizer& tokenizer) : stream_(tokenizer) {}

  void Show(absl::Span<const int32_t> tokens) {
    for (; shown_ < tokens.size(); ++shown_) Put(stream_.Add(tokens[shown_]));
    std::fflush(stdout);
  }
  void Finish(absl::Span<const int32_t> tokens) {
    Show(tokens);
    Put(stream_.Finish());
    std::fputc('\n', stdout);
  }

 private:
  static void Put(const std::string& text) {
    const std::string safe = Printable(text);
    std::fwrite(safe.data(), 1, safe.size(), stdout);
  }

  TextStream stream_;
  size_t shown_ = 0;  // Tokens.
};

class GenerateRun {
 public:
  GenerateRun(const Tokenizer& tokenizer, const std::vector<Prompt>& prompts,
              const ModelOptions& model, const GenerateOptions& options)
      : tokenizer_(tokenizer),
        prompts_(prompts),
        model_(model),
        options_(options) {}

  absl::Status Run(Generator* generator) {
    AHA_RETURN_IF_ERROR(SubmitAll(generator));
    const bool stream = model_.format == Format::kText && !HasHeaders();
    Stream out(tokenizer_);
    const absl::Time start = absl::Now();
    while (!generator->idle()) {
      AHA_ASSIGN_OR_RETURN(std::vector<Sample> finished, generator->Step());
      for (Sample& sample : finished) {
        tokens_ += sample.tokens.size();
        if (stream) out.Finish(WithoutEnd(sample));
        done_.push_back(std::move(sample));
      }
      if (stream && !generator->idle()) out.Show(generator->TokensSoFar(0, 0));
    }
    if (!stream) PrintAll();
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    std::fprintf(stderr, "%s tokens in %s, %.0f tokens/s\n",
                 FormatCount(tokens_).c_str(), FormatSeconds(seconds).c_str(),
                 static_cast<double>(tokens_) / std::max(seconds, 1e-9));
    return absl::OkStatus();
  }

 private:
  bool HasHeaders() const {
    return prompts_.size() > 1 || options_.samples > 1;
  }

  absl::Status SubmitAll(Generator* generator) {
    for (size_t i = 0; i < prompts_.size(); ++i) {
      GroupRequest request;
      request.id = i;
      request.key.seed = options_.seed;
      request.key.slot = static_cast<uint32_t>(i);
      request.prompt = prompts_[i].ids;
      request.num_samples = options_.samples;
      request.sampling = {
          .temperature = static_cast<float>(options_.temperature),
          .top_p = static_cast<float>(options_.top_p),
          .top_k = options_.top_k,
          .max_new_tokens = options_.max_new_tokens};
      const absl::Status status = generator->Submit(std::move(request));
      if (absl::IsInvalidArgument(status)) return UsageError(status.message());
      AHA_RETURN_IF_ERROR(status);
    }
    return absl::OkStatus();
  }

  // In the order of prompts and samples, not in that in which they ended.
  void PrintAll() {
    std::sort(done_.begin(), done_.end(), [](const Sample& a, const Sample& b) {
      return std::pair(a.group, a.index) < std::pair(b.group, b.index);
    });
    for (const Sample& sample : done_) Print(sample);
  }

  void Print(const Sample& sample) const {
    const char* reason =
        sample.finish_reason == FinishReason::kStop ? "stop" : "length";
    const std::string text = tokenizer_.Decode(WithoutEnd(sample));
    if (model_.format == Format::kJson) {
      Json json;
      json["slot"] = sample.group;
      json["sample"] = sample.index;
      json["prompt"] = prompts_[sample.group].text;
      json["completion"] = text;
      json["prompt_token_ids"] = prompts_[sample.group].ids;
      json["token_ids"] = sample.tokens;
      json["logprobs"] = sample.logprobs;
      json["finish_reason"] = reason;
      PrintJsonLine(json);
      return;
    }
    PrintLine(absl::StrCat("--- prompt ", sample.group, ", sample ",
                           sample.index, ": ", sample.tokens.size(),
                           " tokens, ", reason));
    PrintLine(Printable(text));
  }

  const Tokenizer& tokenizer_;
  const std::vector<Prompt>& prompts_;
  const ModelOptions& model_;
  const GenerateOptions& options_;
  std::vector<Sample> done_;
  uint64_t tokens_ = 0;
};

}  // namespace

absl::Status Tokenize(const ModelOptions& model,
                      const TokenizeOptions& options) {
  AHA_RETURN_IF_ERROR(CheckModelDirectory(model.directory));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                       Tokenizer::Load(model.directory));
  AHA_RETURN_IF_ERROR(CheckChat(options.chat, options.chat.chat));
  absl::StatusOr<Prompt> prompt =
      MakePrompt(*tokenizer, options.text, options.chat);
  if (absl::IsInvalidArgument(prompt.status())) {
    return UsageError(absl::StrCat("--text: ", prompt.status().message()));
  }
  if (!prompt.ok()) return prompt.status();
  std::vector<std::string> pieces;
  for (const int32_t id : prompt->ids) {
    pieces.push_back(tokenizer->Decode({&id, 1}));
  }
  if (model.format == Format::kJson) {
    Json json;
    json["text"] = prompt->text;
    json["token_ids"] = prompt->ids;
    json["tokens"] = pieces;
    PrintJsonLine(json);
    return absl::OkStatus();
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::printf("%7d  %s\n", prompt->ids[i],
                Json(pieces[i])
                    .dump(-1, ' ', false, Json::error_handler_t::replace)
                    .c_str());
  }
  std::fprintf(stderr, "%zu tokens\n", pieces.size());
  return absl::OkStatus();
}

absl::Status Generate(const ModelOptions& model,
                      const GenerateOptions& options) {
  AHA_RETURN_IF_ERROR(CheckModelDirectory(model.directory));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                       Tokenizer::Load(model.directory));
  AHA_ASSIGN_OR_RETURN(const std::vector<Prompt> prompts,
                       ReadPrompts(*tokenizer, options));
  AHA_ASSIGN_OR_RETURN(const LoadedModel loaded,
                       LoadModel(model, PolicyUse::kSampling, tokenizer.get()));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Generator> generator,
                       Generator::Create(loaded.policy.get(), {}));
  return GenerateRun(*tokenizer, prompts, model, options).Run(generator.get());
}

}  // namespace aha::cli
