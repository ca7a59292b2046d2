// The message that Gloo ranks exchange before a call moves data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "comm/communicator.h"

namespace aha::comm {

// Fixed layout, little-endian as every machine that this runs on.
struct Header {
  uint64_t sequence;
  uint64_t size;
  uint64_t bytes;  // The sender's contribution to a gather, or its shard.
  uint32_t kind;
  char name[36];  // Cut to fit; ends in zeros.
};
static_assert(sizeof(Header) == 64);

inline Header HeaderOf(const Call& call, size_t bytes) {
  Header header{.sequence = call.sequence,
                .size = call.size,
                .bytes = bytes,
                .kind = static_cast<uint32_t>(call.kind),
                .name = {}};
  std::strncpy(header.name, call.name.c_str(), sizeof(header.name) - 1);
  return header;
}

inline Call CallOf(Header header) {
  header.name[sizeof(header.name) - 1] = '\0';
  return {.kind = static_cast<Collective>(header.kind),
          .sequence = header.sequence,
          .name = header.name,
          .size = header.size,
          .timeout = {},
          .deadline = {}};
}

}  // namespace aha::comm
