#include "rpc/speech.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/clock.h"

namespace aha::rpc {
namespace {

// A TLS 1.2 ClientHello (RFC 5246, section 7.4.1.2) with what common servers
// ask for, so that they answer with a ServerHello.
constexpr unsigned char kClientHello[] = {
    0x16, 0x03, 0x01, 0x00, 0x4d,  // Record: handshake, TLS 1.0, 77 bytes.
    0x01, 0x00, 0x00, 0x49,        // ClientHello, 73 bytes.
    0x03, 0x03,                    // TLS 1.2.
    // 32 bytes that should be random; nothing secret follows.
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,  //
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    0x00,                                // No session.
    0x00, 0x04, 0xc0, 0x2b, 0xc0, 0x2f,  // ECDHE, ECDSA or RSA, AES-128-GCM.
    0x01, 0x00,                          // No compression.
    0x00, 0x1c,                          // Extensions, 28 bytes:
    0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17,  // groups
    0x00, 0x0d, 0x00, 0x08, 0x00, 0x06, 0x04, 0x03, 0x08, 0x04, 0x04,
    0x01,                                // signature algorithms
    0x00, 0x0b, 0x00, 0x02, 0x01, 0x00,  // point formats
};

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

bool Await(int fd, short events, const Clock& clock, absl::Time deadline) {
  pollfd waited{fd, events, 0};
  const int64_t left = absl::ToInt64Milliseconds(deadline - clock());
  return left > 0 && ::poll(&waited, 1, static_cast<int>(left)) == 1;
}

bool Connect(int fd, const addrinfo& to, const Clock& clock,
             absl::Time deadline) {
  if (::connect(fd, to.ai_addr, to.ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS || !Await(fd, POLLOUT, clock, deadline)) {
    return false;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
         error == 0;
}

Speech Ask(const addrinfo& to, const Clock& clock, absl::Time deadline) {
  const Socket socket(
      ::socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0 || !Connect(socket.fd(), to, clock, deadline)) {
    return Speech::kNothing;
  }
  if (::send(socket.fd(), kClientHello, sizeof(kClientHello), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(sizeof(kClientHello)) ||
      !Await(socket.fd(), POLLIN, clock, deadline)) {
    return Speech::kNothing;
  }
  unsigned char first = 0;
  if (::recv(socket.fd(), &first, 1, 0) != 1) return Speech::kNothing;
  // A handshake record, or an alert.
  return first == 0x16 || first == 0x15 ? Speech::kTls : Speech::kPlainText;
}

}  // namespace

Speech SpeechAt(absl::string_view address, absl::Duration limit) {
  const absl::StatusOr<HostPort> parsed = ParseAddress(address);
  if (!parsed.ok() || parsed->host.empty()) return Speech::kNothing;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(parsed->host.c_str(), absl::StrCat(parsed->port).c_str(),
                    &hints, &found) != 0) {
    return Speech::kNothing;
  }
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + limit;
  Speech speech = Speech::kNothing;
  for (const addrinfo* to = found; to != nullptr && speech == Speech::kNothing;
       to = to->ai_next) {
    speech = Ask(*to, clock, deadline);
  }
  ::freeaddrinfo(found);
  return speech;
}

}  // namespace aha::rpc
