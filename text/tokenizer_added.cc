// Implements text/tokenizer_added.h. The candidates at each byte of the text
// are found through a table by first byte, longest first.
#include "text/tokenizer_added.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
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

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    const uint8_t first = static_cast<uint8_t>(token.content[0]);
    passes_[token.normalized ? 1 : 0][first].push_back(token);
  }
  for (Pass& pass : passes_) {
    for (std::vector<AddedToken>& bucket : pass) {
      // The longest token comes first. Tokens of equal length keep the order of
      // the file.
      std::stable_sort(bucket.begin(), bucket.end(),
                       [](const AddedToken& a, const AddedToken& b) {
                         return a.content.size() > b.content.size();
                       });
    }
  }
}

const AddedToken* AddedTokens::FindAt(const Pass& pass, absl::string_view text,
                                      size_t at) {
  for (const AddedToken& token : pass[static_cast<uint8_t>(text[at])]) {
    if (absl::StartsWith(text.substr(at), token.content)) return &token;
  }
  return nullptr;
}

void AddedTokens::SplitPart(const Pass& pass, absl::string_view text,
                            Segment part, std::vector<Segment>* out) {
  const absl::string_view view = text.substr(0, part.end);
  size_t done = part.begin;
  for (size_t at = part.begin; at < part.end;) {
    const AddedToken* token = FindAt(pass, view, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->content.size();
    // Stripping must not reach into what an earlier token took.
    if (token->strip_left) begin = SkipSpaceLeft(view, begin, done);
    if (token->strip_right) end = SkipSpaceRight(view, end, part.end);
    if (done < begin) out->push_back({done, begin, -1});
    out->push_back({begin, end, token->id});
    done = at = end;
  }
  if (done < part.end) out->push_back({done, part.end, -1});
}

std::vector<Segment> AddedTokens::Split(absl::string_view text) const {
  std::vector<Segment> parts;
  if (!text.empty()) parts.push_back({0, text.size(), -1});
  for (const Pass& pass : passes_) {
    std::vector<Segment> next;
    for (const Segment& part : parts) {
      if (part.id >= 0) {
        next.push_back(part);
      } else {
        SplitPart(pass, text, part, &next);
      }
    }
    parts = std::move(next);
  }
  return parts;
}

}  // namespace aha
