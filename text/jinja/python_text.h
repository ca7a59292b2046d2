// Python's operations on texts, for texts in UTF-8: what templates call on
// strings. Positions and lengths count code points. All functions are pure.
//
// Letters change case one by one, by utf8proc; the few that Python turns into
// several (as U+FB01) stay as they are, except for U+00DF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::jinja {

// str.isspace of one character.
bool IsPythonSpace(char32_t code);

// str.lstrip, rstrip and strip without an argument.
absl::string_view StripLeft(absl::string_view text);
absl::string_view StripRight(absl::string_view text);
absl::string_view Strip(absl::string_view text);
// The same with a set of characters.
enum class Side { kLeft, kRight, kBoth };
absl::string_view StripCharacters(absl::string_view text,
                                  absl::string_view characters, Side side);

size_t Length(absl::string_view text);
std::vector<absl::string_view> Characters(absl::string_view text);

std::string Upper(absl::string_view text);
std::string Lower(absl::string_view text);
std::string Capitalize(absl::string_view text);
// str.title: each run of letters begins with a capital.
std::string TitleMethod(absl::string_view text);
// Jinja's filter title: words begin behind white space and "-([{<".
std::string TitleFilter(absl::string_view text);
// str.isupper, islower, isdigit, isalpha, isalnum and isspace by name; nothing
// for another name.
std::optional<bool> HasClass(absl::string_view text, absl::string_view method);

// str.split and rsplit; at most `limit` cuts, -1: any number. Without a
// separator the cuts are runs of white space. REQUIRES: *separator not empty.
std::vector<absl::string_view> Split(absl::string_view text,
                                     std::optional<absl::string_view> separator,
                                     int64_t limit, bool from_right);
std::vector<absl::string_view> SplitLines(absl::string_view text, bool keep);

// The number of places, at most `limit` (-1: any), where `from` stands.
size_t CountOf(absl::string_view text, absl::string_view from);
// str.replace; replaces at most `limit` places, -1: all.
std::string Replace(absl::string_view text, absl::string_view from,
                    absl::string_view to, int64_t limit);
// The byte offset of `part` in `text` from `at`; npos if there is none. Its
// time is linear, whatever the texts.
size_t FindText(absl::string_view text, absl::string_view part, size_t at = 0);

// Python's repr of a text and of a float.
std::string ReprText(absl::string_view text);
std::string FloatText(double number);

}  // namespace aha::jinja
