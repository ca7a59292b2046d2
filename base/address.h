// Network addresses as text: "host:port", or "[v6]:port".  Pure functions,
// except that DialAddress may ask for the name of this machine.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

struct HostPort {
  std::string host;  // Without brackets.
  int port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// INVALID_ARGUMENT says what is wrong.  The host is empty only if `address`
// begins with "unix:".
absl::StatusOr<HostPort> ParseAddress(absl::string_view address);

// The inverse, with brackets around a host that has colons.
std::string FormatAddress(const HostPort& address);

// Whether only processes on this machine reach it: 127.0.0.0/8, ::1, localhost,
// unix:.
bool IsLoopback(absl::string_view address);

// The address that other processes dial to reach `listen` at the bound port:
// its host is `advertise_host` if that is not empty, else this machine's name
// if `listen` is a wildcard.
std::string DialAddress(absl::string_view listen,
                        const std::string& advertise_host, int port);

}  // namespace aha
