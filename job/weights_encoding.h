// How the bytes of a weights transfer make a version (v1::WeightsEncoding).  A
// receiver checks every chunk with CheckEncoding before it reads the bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "aha/v1/weights.pb.h"
#include "job/ids.h"

namespace aha {

// Bytes of one chunk of a transfer, and of a whole version.
inline constexpr uint64_t kMaxWeightsChunk = 1 << 20;
inline constexpr uint64_t kMaxWeightsBytes = uint64_t{1} << 40;

// "FULL", "DELTA"; the number of an encoding that this build does not know.
inline std::string NameOf(v1::WeightsEncoding encoding) {
  const std::string& name = v1::WeightsEncoding_Name(encoding);
  if (name.empty()) return absl::StrCat(static_cast<int>(encoding));
  return std::string(absl::StripPrefix(name, "WEIGHTS_ENCODING_"));
}

// OK for FULL, the one encoding that is read today.  UNIMPLEMENTED for another
// one and INVALID_ARGUMENT for a FULL chunk with a base: sending the chunk
// again cannot help.  `sender` is named in the message: "member 7".
inline absl::Status CheckEncoding(const v1::WeightsChunk& chunk,
                                  absl::string_view sender) {
  const bool full = chunk.encoding() == v1::WEIGHTS_ENCODING_FULL;
  if (full && !chunk.has_base()) return absl::OkStatus();
  const std::string base =
      chunk.has_base()
          ? absl::StrCat(" from base ", WeightsId::Of(chunk.base()).ToString())
          : "";
  const std::string message =
      absl::StrCat("weights ", WeightsId::Of(chunk.id()).ToString(), " from ",
                   sender, ": encoding must be FULL and without a base, is ",
                   NameOf(chunk.encoding()), base);
  return full ? absl::InvalidArgumentError(message)
              : absl::UnimplementedError(message);
}

}  // namespace aha
