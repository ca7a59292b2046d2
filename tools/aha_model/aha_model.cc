// aha-model: inspects, converts and runs a model without a cluster.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/names.h"
#include "base/standard_streams.h"
#include "base/status.h"
#include "base/version.h"
#include "cli/term/completion.h"
#include "cli/term/exit_code.h"
#include "cli/term/explain.h"
#include "cli/term/option_checks.h"
#include "cli/term/text.h"
#include "model/generator.h"
#include "rl/algorithm.h"
#include "tools/aha_model/aha_model_commands.h"
#include "tools/aha_model/aha_model_common.h"

namespace aha::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  make models                     fetches real models into models/\n"
    "  aha-model inspect models/SmolLM2-135M-Instruct\n"
    "  aha-model generate models/SmolLM2-135M-Instruct --chat \\\n"
    "      --prompt 'What is 2 + 2?' --temperature 0\n"
    "  aha-model import some-model.gguf models/some-model\n"
    "  aha-model SUBCOMMAND --help     has more\n"
    "Exit codes: 0 done, 1 error, 2 usage, 4 not found, 5 conflict, "
    "130 interrupted.";

// Everything that the flags set.
struct Flags {
  ModelOptions model;
  ConvertOptions convert;
  TokenizeOptions tokenize;
  GenerateOptions generate;
  ScoreOptions score;
  LossOptionsText loss;
  std::string shell;
};

using Command = std::function<absl::Status(const Flags&)>;
using Commands = std::map<CLI::App*, Command>;

// Adds the subcommand `name` with the options that all subcommands share, and
// returns it.
CLI::App* Add(CLI::App* app, Flags* flags, const char* name, const char* help) {
  CLI::App* command = app->add_subcommand(name, help);
  command
      ->add_option_function<std::string>(
          "-o,--output",
          [flags](const std::string& format) {
            flags->model.format =
                format == "json" ? Format::kJson : Format::kText;
          },
          "Format of stdout")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
  command->add_option("--dtype", flags->model.dtype, "Number format")
      ->check(CLI::IsMember({"bf16", "fp32"}));
  return command;
}

void AddExamples(CLI::App* command, const char* examples) {
  command->footer(std::string("Examples:\n") + examples);
}

void AddDirectory(CLI::App* command, Flags* flags) {
  command
      ->add_option("DIR", flags->model.directory,
                   "Model directory: config.json, model.safetensors, "
                   "tokenizer.json")
      ->type_name("DIR")
      ->required();
}

void AddDestination(CLI::App* command, Flags* flags) {
  command
      ->add_option("DST", flags->convert.destination,
                   "Directory to write; must be new or empty")
      ->required();
}

void AddThreads(CLI::App* command, Flags* flags) {
  command
      ->add_option("--threads", flags->model.threads,
                   "Compute threads; 0: all cores.  Results do not depend on "
                   "it")
      ->check(CLI::Range(0, 1024));
}

void AddFileCommands(CLI::App* app, Flags* flags, Commands* commands) {
  CLI::App* inspect =
      Add(app, flags, "inspect", "Show a model's shape, checksum, tokens");
  AddExamples(inspect, "  aha-model inspect models/SmolLM2-135M-Instruct\n");
  AddDirectory(inspect, flags);
  (*commands)[inspect] = [](const Flags& f) { return Inspect(f.model); };

  CLI::App* import =
      Add(app, flags, "import",
          "Turn a GGUF or safetensors model into a model directory");
  AddExamples(
      import,
      "  aha-model import SmolLM2-135M-Instruct.Q4_1.gguf models/smollm2\n"
      "  aha-model import some-hugging-face-directory models/mine\n");
  import
      ->add_option("SRC", flags->model.directory,
                   ".gguf file, .safetensors file (config.json and "
                   "tokenizer.json beside it), or directory")
      ->type_name("FILE")
      ->required();
  AddDestination(import, flags);
  (*commands)[import] = [](const Flags& f) {
    return Import(f.model, f.convert);
  };

  CLI::App* exporting =
      Add(app, flags, "export", "Write a model directory for other software");
  AddExamples(exporting,
              "  aha-model export "
              "runs/quickstart/checkpoints/grpo-step-000100/model \\\n"
              "      thinker --dtype fp32\n");
  AddDirectory(exporting, flags);
  AddDestination(exporting, flags);
  (*commands)[exporting] = [](const Flags& f) {
    return Export(f.model, f.convert);
  };

  CLI::App* certify =
      Add(app, flags, "certify",
          "Prove that results depend on no batch size or thread count");
  AddExamples(certify, "  aha-model certify models/smollm2 -o json\n");
  AddDirectory(certify, flags);
  AddThreads(certify, flags);
  (*commands)[certify] = [](const Flags& f) { return CertifyModel(f.model); };
}

// How a text becomes a conversation; `what` is the flag of the text.
void AddChat(CLI::App* command, ChatFlags* chat, const char* what) {
  command->add_flag("--chat", chat->chat,
                    absl::StrCat("The ", what,
                                 " is a user's message, in the model's chat "
                                 "format"));
  command->add_option("--system", chat->system,
                      "System message before it, as prompts.system of a job");
  command->add_option("--chat-template-kwargs", chat->kwargs,
                      "Further variables of the chat template, a JSON object "
                      "such as '{\"enable_thinking\": false}'");
}

void AddGenerate(CLI::App* app, Flags* flags, Commands* commands) {
  GenerateOptions* options = &flags->generate;
  CLI::App* generate = Add(app, flags, "generate", "Sample completions");
  AddExamples(
      generate,
      "  aha-model generate DIR --chat --prompt 'Name a colour.' \\\n"
      "      --system 'Answer in one word.'\n"
      "  aha-model generate DIR --prompt '3+5+9?' -n 4 --seed 7\n"
      "  aha-model generate DIR --prompts prompts.jsonl -o json > out.jsonl\n"
      "A line of prompts.jsonl: {\"prompt\": \"...\"} or {\"messages\": "
      "[{\"role\": \"user\", \"content\": \"...\"}]}.\n"
      "Equal seeds give equal completions, bit for bit.\n");
  AddDirectory(generate, flags);
  AddThreads(generate, flags);
  CLI::Option_group* source = generate->add_option_group("Prompts");
  source->add_option("--prompt", options->prompt, "The text to complete");
  source
      ->add_option("--prompts", options->prompts_path,
                   "JSON lines of prompts; -: stdin")
      ->type_name("FILE");
  source->require_option(1);
  AddChat(generate, &options->chat, "prompt");
  generate
      ->add_option("-n,--num-samples", options->samples,
                   "Completions for each prompt")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  generate
      ->add_option("--max-new-tokens", options->max_new_tokens,
                   "Tokens in a completion at most")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  generate->add_option("--temperature", options->temperature, "0: greedy")
      ->check(RealNumber("0 or from 0.001 to 1000",
                         [](double t) {
                           return t == 0 ||
                                  (t >= SamplingParams::kMinTemperature &&
                                   t <= SamplingParams::kMaxTemperature);
                         }))
      ->capture_default_str();
  generate
      ->add_option("--top-p", options->top_p,
                   "Keep the likeliest tokens of this much probability")
      ->check(RealNumber("from 1e-6 to 1",
                         [](double p) { return p >= 1e-6 && p <= 1; }))
      ->capture_default_str();
  generate
      ->add_option("--top-k", options->top_k,
                   "Keep this many likeliest tokens; 0: all")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  generate->add_option("--seed", options->seed, "Of the random numbers")
      ->check(Seed())
      ->capture_default_str();
  (*commands)[generate] = [](const Flags& f) {
    return Generate(f.model, f.generate);
  };
}

void AddTokenize(CLI::App* app, Flags* flags, Commands* commands) {
  CLI::App* tokenize = Add(app, flags, "tokenize", "Show a text's tokens");
  AddExamples(tokenize,
              "  aha-model tokenize DIR --text 'Hello, world'\n"
              "  aha-model tokenize DIR --chat --text 'Hello' -o json\n");
  AddDirectory(tokenize, flags);
  tokenize->add_option("--text", flags->tokenize.text, "The text")->required();
  AddChat(tokenize, &flags->tokenize.chat, "text");
  (*commands)[tokenize] = [](const Flags& f) {
    return Tokenize(f.model, f.tokenize);
  };
}

void AddScore(CLI::App* app, Flags* flags, Commands* commands) {
  CLI::App* score =
      Add(app, flags, "score", "Log-probabilities of given tokens");
  AddExamples(
      score,
      "  echo '{\"token_ids\": [1, 2, 3]}' | aha-model score DIR --input -\n"
      "Each line comes back with \"logprobs\": ln p of tokens 1..n-1, each "
      "given all before it.\n");
  AddDirectory(score, flags);
  AddThreads(score, flags);
  score->add_option("--input", flags->score.input_path, "JSON lines; -: stdin")
      ->required();
  score
      ->add_option("--temperature", flags->score.temperature,
                   "Divides the logits")
      ->check(RealNumber("from 0.001 to 1000",
                         [](double t) {
                           return t >= SamplingParams::kMinTemperature &&
                                  t <= SamplingParams::kMaxTemperature;
                         }))
      ->capture_default_str();
  (*commands)[score] = [](const Flags& f) { return Score(f.model, f.score); };
}

void AddLoss(CLI::App* app, Flags* flags, Commands* commands) {
  CLI::App* loss =
      Add(app, flags, "loss",
          "The policy loss of given trajectories, and its gradient");
  AddExamples(
      loss,
      "  aha-model loss DIR --trajectories group.jsonl --algorithm dapo \\\n"
      "      --set epsilon_high=0.2 --gradients gradients.safetensors\n"
      "A line: {\"prompt_token_ids\": [..], \"token_ids\": [..], \"logprobs\": "
      "[..],\n  \"reward\": 1, \"group\": 0} or \"advantage\" in place of the "
      "last two.\nLines of a run's rollouts/ will do.\n");
  AddDirectory(loss, flags);
  AddThreads(loss, flags);
  loss->add_option("--trajectories", flags->loss.trajectories_path,
                   "JSON lines; -: stdin")
      ->required();
  loss->add_option("--algorithm", flags->loss.algorithm,
                   absl::StrCat(ListNames(Algorithms()),
                                ": the job file's presets; or a loss type"))
      ->required();
  loss->add_option("--set", flags->loss.settings,
                   "key=value: epsilon, epsilon_high, delta, dual_clip, beta, "
                   "scale_rewards, ...");
  loss->add_option("--gradients", flags->loss.gradients_path,
                   "Write the gradient, fp32, to this .safetensors file");
  (*commands)[loss] = [](const Flags& f) { return Loss(f.model, f.loss); };
}

void AddCompletion(CLI::App* app, Flags* flags, Commands* commands) {
  CLI::App* completion =
      app->add_subcommand("completion", "Print a shell completion script");
  AddExamples(completion,
              "  source <(aha-model completion bash)    # in ~/.bashrc\n"
              "  source <(aha-model completion zsh)     # in ~/.zshrc\n"
              "  aha-model completion fish | source     # in config.fish\n");
  completion->add_option("SHELL", flags->shell, "bash, zsh or fish")
      ->type_name("SHELL")
      ->required();
  (*commands)[completion] = [app](const Flags& f) -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const std::string script,
                         CompletionScript(DescribeCommands(*app, {}), f.shell));
    std::fputs(script.c_str(), stdout);
    return absl::OkStatus();
  };
}

// Explains in one line what is wrong with the command line.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> named = app.get_subcommands();
  const CLI::App& command = named.empty() ? app : *named.back();
  const std::string text = ExplainParseError(app, command, error);
  return absl::StrCat(OneLine(text), " (see aha-model ",
                      named.empty() ? "" : command.get_name() + " ", "--help)");
}

// A file may declare sizes for which there is not enough memory.
absl::Status RunCommand(const Command& command, const Flags& flags) {
  try {
    return command(flags);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        "out of memory: the model or its input is too large for this machine");
  }
}

int Run(int argc, char** argv) {
  CLI::App app("aha-model: look at a language model and its numbers");
  app.name("aha-model");
  app.set_version_flag("--version", Version());
  app.footer(kFooter);
  app.require_subcommand(1);
  Flags flags;
  Commands commands;
  AddFileCommands(&app, &flags, &commands);
  AddGenerate(&app, &flags, &commands);
  AddTokenize(&app, &flags, &commands);
  AddScore(&app, &flags, &commands);
  AddLoss(&app, &flags, &commands);
  AddCompletion(&app, &flags, &commands);
  const auto is_first_argument = [&](const auto& command) {
    return command.first->get_name() == argv[1];
  };
  if (argc > 1 && argv[1][0] != '-' &&
      std::none_of(commands.begin(), commands.end(), is_first_argument)) {
    std::fprintf(stderr,
                 "aha-model: %s is not a subcommand (see aha-model --help)\n",
                 OneLine(argv[1]).c_str());
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help.
    std::fprintf(stderr, "aha-model: %s\n", Explain(app, error).c_str());
    return kExitUsage;
  }
  const absl::Status status =
      RunCommand(commands.at(app.get_subcommands().front()), flags);
  if (status.ok()) return kExitDone;
  std::fprintf(stderr, "aha-model: %s\n", OneLine(status.message()).c_str());
  const int code = ExitCodeOf(status);
  // A damaged file is an error, not a wrong command line.
  return code == kExitUsage && !IsUsageError(status) ? kExitError : code;
}

}  // namespace
}  // namespace aha::cli

// CLI11 throws while flags are declared only if a declaration is wrong.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  aha::OpenStandardStreams();
  std::signal(SIGPIPE, SIG_DFL);  // `aha-model ... | head` ends quietly.
  std::signal(SIGINT, [](int) { std::_Exit(aha::cli::kExitInterrupted); });
  return aha::cli::WriteOut("aha-model", aha::cli::Run(argc, argv));
}
