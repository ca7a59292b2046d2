#include "base/address.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/host_name.h"

namespace aha {

absl::StatusOr<HostPort> ParseAddress(absl::string_view address) {
  if (absl::StartsWith(address, "unix:")) return HostPort{};
  if (const size_t scheme = address.find("://");
      scheme != absl::string_view::npos) {
    absl::string_view rest = address.substr(scheme + 3);
    rest = rest.substr(0, rest.find('/'));
    return absl::InvalidArgumentError(
        absl::StrCat("an address is host:port without a scheme, got '", address,
                     "'; write '", rest, "'"));
  }
  const size_t colon = address.rfind(':');
  HostPort result;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &result.port) ||
      result.port < 0 || result.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an address is host:port with port 0 to 65535, got '", address, "'"));
  }
  absl::string_view host = address.substr(0, colon);
  const bool bracketed =
      absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && absl::StrContains(host, ':'))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an IPv6 address is written [address]:port, got '", address, "'"));
  }
  result.host = std::string(host);
  return result;
}

std::string FormatAddress(const HostPort& address) {
  const bool v6 = absl::StrContains(address.host, ':');
  return absl::StrCat(v6 ? "[" : "", address.host, v6 ? "]:" : ":",
                      address.port);
}

bool IsLoopback(absl::string_view address) {
  if (absl::StartsWith(address, "unix:")) return true;
  const absl::StatusOr<HostPort> parsed = ParseAddress(address);
  if (!parsed.ok()) return false;
  if (parsed->host == "localhost" || parsed->host == "::1") return true;
  // "127.0.0.1.evil.example" is a name, not an address.
  return absl::StartsWith(parsed->host, "127.") &&
         parsed->host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string DialAddress(absl::string_view listen,
                        const std::string& advertise_host, int port) {
  const absl::StatusOr<HostPort> parsed = ParseAddress(listen);
  if (!parsed.ok() || parsed->host.empty()) return std::string(listen);
  std::string host = advertise_host.empty() ? parsed->host : advertise_host;
  if (host == "0.0.0.0" || host == "::") {
    host = HostName();
    if (host.empty()) host = "localhost";
  }
  return FormatAddress({.host = std::move(host), .port = port});
}

}  // namespace aha
