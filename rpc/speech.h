// What answers at an address: TLS or plain text.
//
// A client that speaks plain text to a TLS port, or TLS to a port of plain
// text, sees a connection that breaks and no reason.  The reason is found by
// saying hello in TLS once more, on a connection of its own.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace aha::rpc {

enum class Speech {
  kNothing,  // There is no listener, or no answer within the limit.
  kTls,
  kPlainText,  // Something that is not TLS.
};

// Blocks for at most `limit`, except where the name of the host is looked up.
// "unix:" addresses are kNothing.
Speech SpeechAt(absl::string_view address, absl::Duration limit);

}  // namespace aha::rpc
