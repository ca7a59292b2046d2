// Implements text/chat_template.h. A template passes three stages: Reduce turns
// it into a sequence of Items (statements in canonical spelling and literal
// outputs, with white space treated as Jinja treats it), a Reader walks along
// them, and Recognise compares them with the shapes of ChatML.
#include "text/chat_template.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

// These characters stand for a message's role and content in an output's text.
// A template that contains them itself is refused.
constexpr char kRole[] = "\x01";
constexpr char kContent[] = "\x02";

// A statement in canonical spelling, or an output's text.
struct Item {
  enum class Kind { kStatement, kOutput };
  Kind kind;
  std::string text;

  friend bool operator==(const Item&, const Item&) = default;
};

struct Token {
  bool is_string;
  std::string text;  // Strings are unescaped.
};

absl::Status Unknown(absl::string_view what) {
  return absl::UnimplementedError(
      absl::StrCat("chat_template is not a form of ChatML that Aha supports: ",
                   Quote(what, 120)));
}

bool IsPlain(absl::string_view text) {
  return !absl::StrContains(text, kRole) && !absl::StrContains(text, kContent);
}

// Returns the character that \c stands for in a string literal. Jinja supports
// all of Python's escapes (\x41, \u2019, octal, line ends); chat templates need
// only these.
std::optional<char> Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return std::nullopt;
  }
}

// Removes a string literal from the front of *code and returns its value.
absl::StatusOr<std::string> TakeString(absl::string_view* code) {
  const char quote = (*code)[0];
  std::string text;
  for (size_t i = 1; i < code->size(); ++i) {
    char c = (*code)[i];
    if (c == quote) {
      code->remove_prefix(i + 1);
      return text;
    }
    if (c == '\\' && i + 1 < code->size()) {
      const std::optional<char> meant = Unescape((*code)[i + 1]);
      if (!meant) return Unknown(code->substr(i));
      c = *meant;
      ++i;
    }
    text.push_back(c);
  }
  return Unknown(*code);
}

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view code) {
  std::vector<Token> tokens;
  while (!(code = absl::StripLeadingAsciiWhitespace(code)).empty()) {
    if (code[0] == '\'' || code[0] == '"') {
      AHA_ASSIGN_OR_RETURN(std::string text, TakeString(&code));
      tokens.push_back({true, std::move(text)});
      continue;
    }
    size_t size = 0;
    while (size < code.size() &&
           (absl::ascii_isalnum(code[size]) || code[size] == '_')) {
      ++size;
    }
    if (size == 0) size = code.size() > 1 && code[1] == '=' ? 2 : 1;
    tokens.push_back({false, std::string(code.substr(0, size))});
    code.remove_prefix(size);
  }
  return tokens;
}

bool IsWord(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  });
}

// Rewrites message['role'] to message.role, which means the same.
std::vector<Token> WithDots(const std::vector<Token>& tokens) {
  std::vector<Token> out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool subscript = !tokens[i].is_string && tokens[i].text == "[" &&
                           i + 2 < tokens.size() && tokens[i + 1].is_string &&
                           IsWord(tokens[i + 1].text) &&
                           tokens[i + 2].text == "]";
    if (subscript) {
      out.push_back({false, "."});
      out.push_back({false, tokens[i + 1].text});
      i += 2;
    } else {
      out.push_back(tokens[i]);
    }
  }
  return out;
}

absl::StatusOr<std::string> CanonicalStatement(absl::string_view code) {
  AHA_ASSIGN_OR_RETURN(const std::vector<Token> tokens, Tokenize(code));
  return absl::StrJoin(WithDots(tokens), " ",
                       [](std::string* out, const Token& token) {
                         const char* quote = token.is_string ? "'" : "";
                         absl::StrAppend(out, quote, token.text, quote);
                       });
}

// Returns the text of `a + b + ...`, whose terms are literals, message.role and
// message.content.
absl::StatusOr<std::string> OutputText(absl::string_view code) {
  AHA_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(code));
  tokens = WithDots(tokens);
  const auto is = [&](size_t i, absl::string_view text) {
    return i < tokens.size() && !tokens[i].is_string && tokens[i].text == text;
  };
  if (tokens.size() > 2 && is(0, "(") && is(tokens.size() - 1, ")")) {
    tokens.erase(tokens.begin());
    tokens.pop_back();
  }
  std::string out;
  for (size_t i = 0; i < tokens.size();) {
    if (tokens[i].is_string) {
      out += tokens[i].text;
      i += 1;
    } else if (is(i, "message") && is(i + 1, ".") && is(i + 2, "role")) {
      out += kRole;
      i += 3;
    } else if (is(i, "message") && is(i + 1, ".") && is(i + 2, "content")) {
      out += kContent;
      i += 3;
    } else {
      return Unknown(code);
    }
    if (i == tokens.size()) return out;
    if (!is(i, "+") && !is(i, "~")) return Unknown(code);
    ++i;
  }
  return Unknown(code);
}

void AddOutput(absl::string_view text, std::vector<Item>* items) {
  if (text.empty()) return;
  if (items->empty() || items->back().kind != Item::Kind::kOutput) {
    items->push_back({Item::Kind::kOutput, ""});
  }
  absl::StrAppend(&items->back().text, text);
}

// Trims the literal text before a block. A "-" strips its trailing white space;
// lstrip_blocks, which transformers sets, strips the indentation of a statement
// or comment.
absl::string_view TrimBefore(absl::string_view text, bool dash,
                             bool is_statement, bool at_line_start) {
  if (dash) return absl::StripTrailingAsciiWhitespace(text);
  if (!is_statement) return text;
  const size_t last = text.find_last_not_of(" \t");
  if (last == absl::string_view::npos) return at_line_start ? "" : text;
  return text[last] == '\n' ? text.substr(0, last + 1) : text;
}

// Trims the text after a block. A "-" strips its leading white space;
// trim_blocks strips the first newline.
absl::string_view TrimAfter(absl::string_view text, bool dash,
                            bool is_statement) {
  if (dash) return absl::StripLeadingAsciiWhitespace(text);
  if (is_statement) absl::ConsumePrefix(&text, "\n");
  return text;
}

absl::StatusOr<std::vector<Item>> Reduce(absl::string_view jinja) {
  std::vector<Item> items;
  bool at_line_start = true;
  while (!jinja.empty()) {
    size_t open = 0;
    while (open < jinja.size() &&
           !(jinja[open] == '{' && open + 1 < jinja.size() &&
             absl::StrContains("%{#", jinja.substr(open + 1, 1)))) {
      ++open;
    }
    if (open == jinja.size()) {
      AddOutput(jinja, &items);
      break;
    }
    const char kind = jinja[open + 1];
    const absl::string_view close = kind == '%'   ? "%}"
                                    : kind == '#' ? "#}"
                                                  : "}}";
    const size_t end = jinja.find(close, open + 2);
    if (end == absl::string_view::npos) return Unknown(jinja.substr(open));
    absl::string_view code = jinja.substr(open + 2, end - open - 2);
    const bool dash_before = absl::ConsumePrefix(&code, "-");
    const bool dash_after = absl::ConsumeSuffix(&code, "-");
    AddOutput(TrimBefore(jinja.substr(0, open), dash_before, kind != '{',
                         at_line_start),
              &items);
    if (kind == '{') {
      AHA_ASSIGN_OR_RETURN(const std::string text, OutputText(code));
      AddOutput(text, &items);
    } else if (kind == '%') {
      AHA_ASSIGN_OR_RETURN(std::string text, CanonicalStatement(code));
      items.push_back({Item::Kind::kStatement, std::move(text)});
    }
    const absl::string_view rest = jinja.substr(end + 2);
    jinja = TrimAfter(rest, dash_after, kind != '{');
    at_line_start = kind != '{' && absl::StartsWith(rest, "\n");
  }
  return items;
}

// Reads a reduced template from front to back.
class Reader {
 public:
  explicit Reader(const std::vector<Item>& items) : items_(items) {}

  bool Statement(absl::string_view text) {
    return Take({Item::Kind::kStatement, std::string(text)});
  }
  bool Output(absl::string_view text) {
    return Take({Item::Kind::kOutput, std::string(text)});
  }
  std::optional<std::string> AnyOutput() {
    if (at_ == items_.size() || items_[at_].kind != Item::Kind::kOutput) {
      return std::nullopt;
    }
    return items_[at_++].text;
  }
  bool AtEnd() const { return at_ == items_.size(); }
  absl::Status Stuck() const {
    return Unknown(AtEnd() ? "the template ends too early" : items_[at_].text);
  }

 private:
  bool Take(const Item& item) {
    if (at_ == items_.size() || items_[at_] != item) return false;
    ++at_;
    return true;
  }

  const std::vector<Item>& items_;
  size_t at_ = 0;
};

// Reads `condition`text{% endif %} and returns the text; "" if it is absent.
absl::StatusOr<std::string> ReadPreamble(absl::string_view condition,
                                         Reader* reader) {
  if (!reader->Statement(condition)) return "";
  const std::optional<std::string> text = reader->AnyOutput();
  if (!text || !IsPlain(*text) || !reader->Statement("endif")) {
    return reader->Stuck();
  }
  return *text;
}

bool ReadDefaultForPrompt(Reader* reader) {
  if (!reader->Statement("if not add_generation_prompt is defined")) {
    return true;
  }
  return reader->Statement("set add_generation_prompt = false") &&
         reader->Statement("endif");
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Recognise(absl::string_view jinja) {
  if (!IsPlain(jinja)) return Unknown(jinja);
  // Jinja reads every kind of line end as a newline.
  const std::string text =
      absl::StrReplaceAll(jinja, {{"\r\n", "\n"}, {"\r", "\n"}});
  AHA_ASSIGN_OR_RETURN(const std::vector<Item> items, Reduce(text));
  Reader reader(items);
  ChatTemplate chat;
  if (!ReadDefaultForPrompt(&reader)) return reader.Stuck();
  // Each condition is accepted in one place only. Inside the loop without
  // `loop.first` the text would precede every message, and outside there is no
  // `loop`.
  AHA_ASSIGN_OR_RETURN(
      chat.preamble_,
      ReadPreamble("if messages [ 0 ] . role != 'system'", &reader));
  if (!reader.Statement("for message in messages")) return reader.Stuck();
  if (chat.preamble_.empty()) {
    AHA_ASSIGN_OR_RETURN(
        chat.preamble_,
        ReadPreamble("if loop . first and messages [ 0 ] . role != 'system'",
                     &reader));
  }
  const std::string message =
      absl::StrCat("<|im_start|>", kRole, "\n", kContent, "<|im_end|>\n");
  if (!reader.Output(message) || !reader.Statement("endfor") ||
      !reader.Statement("if add_generation_prompt")) {
    return reader.Stuck();
  }
  const std::optional<std::string> prompt = reader.AnyOutput();
  if (!prompt || !absl::StartsWith(*prompt, "<|im_start|>assistant\n") ||
      !IsPlain(*prompt) || !reader.Statement("endif")) {
    return reader.Stuck();
  }
  reader.Output("\n");  // The newline at the end of the template file.
  if (!reader.AtEnd()) return reader.Stuck();
  chat.generation_prompt_ = *prompt;
  return chat;
}

absl::StatusOr<std::string> ChatTemplate::Apply(
    absl::Span<const ChatMessage> messages) const {
  if (messages.empty()) {
    return absl::InvalidArgumentError(
        "messages must not be empty, got 0 messages");
  }
  std::string text = messages[0].role == "system" ? "" : preamble_;
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (message.role.empty() ||
        message.role.find_first_of(" \t\r\n<|>") != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("messages[", i, "].role must be a word such as system, ",
                       "user or assistant, got ", Quote(message.role)));
    }
    absl::StrAppend(&text, "<|im_start|>", message.role, "\n", message.content,
                    "<|im_end|>\n");
  }
  return text + generation_prompt_;
}

}  // namespace aha
