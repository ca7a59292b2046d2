// Implements text/tokenizer_added.h. The candidates at each byte of the text
// are found through a table by first byte, longest first.
#include "text/tokenizer_added.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "base/status.h"
#include "base/text.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

// Returns where the white space that ends at `at` begins, at least `floor`.
size_t SkipSpaceLeft(absl::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    size_t start = at - 1;
    while (start > floor && (text[start] & 0xC0) == 0x80) --start;
    if (!IsWhiteSpace(ReadUtf8(text, start).code)) return at;
    at = start;
  }
  return at;
}

size_t SkipSpaceRight(absl::string_view text, size_t at, size_t ceiling) {
  while (at < ceiling) {
    const Utf8Char c = ReadUtf8(text, at);
    if (!IsWhiteSpace(c.code)) return at;
    at += c.size;
  }
  return at;
}

}  // namespace

absl::StatusOr<AddedTokens> AddedTokens::Create(
    const std::vector<AddedToken>& tokens,
    const std::function<absl::StatusOr<std::string>(absl::string_view)>&
        normalize) {
  AddedTokens added;
  for (AddedToken token : tokens) {
    if (token.normalized) {
      AHA_ASSIGN_OR_RETURN(token.content, normalize(token.content));
      if (token.content.empty()) continue;  // It stands nowhere.
    }
    const uint8_t first = static_cast<uint8_t>(token.content[0]);
    Tokens& pass = token.normalized ? added.normalized_ : added.raw_;
    pass[first].push_back(std::move(token));
  }
  for (Tokens* pass : {&added.raw_, &added.normalized_}) {
    for (std::vector<AddedToken>& bucket : *pass) {
      // The longest token comes first. Tokens of equal length keep the order of
      // the file.
      std::stable_sort(bucket.begin(), bucket.end(),
                       [](const AddedToken& a, const AddedToken& b) {
                         return a.content.size() > b.content.size();
                       });
    }
  }
  return added;
}

const AddedToken* AddedTokens::FindAt(const Tokens& tokens,
                                      absl::string_view text, size_t at) {
  for (const AddedToken& token : tokens[static_cast<uint8_t>(text[at])]) {
    if (absl::StartsWith(text.substr(at), token.content)) return &token;
  }
  return nullptr;
}

std::vector<Segment> AddedTokens::Split(const Tokens& tokens,
                                        absl::string_view text) {
  std::vector<Segment> parts;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = FindAt(tokens, text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->content.size();
    // Stripping must not reach into what an earlier token took.
    if (token->strip_left) begin = SkipSpaceLeft(text, begin, done);
    if (token->strip_right) end = SkipSpaceRight(text, end, text.size());
    if (done < begin) parts.push_back({done, begin, -1});
    parts.push_back({begin, end, token->id});
    done = at = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), -1});
  return parts;
}

}  // namespace aha
