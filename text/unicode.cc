#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"

namespace aha {

absl::StatusOr<std::string> ToNfc(absl::string_view text) {
  // Most text is ASCII, which is in form C.
  if (std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x80;
      })) {
    return std::string(text);
  }
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &composed,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(
      composed, &std::free);
  if (size < 0) {
    const std::string message = absl::StrCat(
        "text cannot be normalised (NFC): ", utf8proc_errmsg(size));
    return size == UTF8PROC_ERROR_NOMEM ? absl::ResourceExhaustedError(message)
                                        : absl::InvalidArgumentError(message);
  }
  return std::string(reinterpret_cast<const char*>(composed),
                     static_cast<size_t>(size));
}

}  // namespace aha
