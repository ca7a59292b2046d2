#include "cli/local/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "run/layout.h"

namespace aha::cli {
namespace {

constexpr size_t kMaxLine = 4096;
constexpr size_t kMaxConnections = 16;

// A socket address holds 107 characters, and the path of a run directory may be
// longer.  The kernel follows /proc/self/fd, which makes the path short.
class ShortAddress {
 public:
  explicit ShortAddress(const std::string& directory)
      : fd_(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    address_.sun_family = AF_UNIX;
    std::snprintf(address_.sun_path, sizeof(address_.sun_path),
                  "/proc/self/fd/%d/%s", fd_, run::kSupervisorSocket);
  }
  ~ShortAddress() {
    if (fd_ >= 0) ::close(fd_);
  }
  ShortAddress(const ShortAddress&) = delete;
  ShortAddress& operator=(const ShortAddress&) = delete;
  bool ok() const { return fd_ >= 0; }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&address_);
  }
  static constexpr socklen_t size() { return sizeof(sockaddr_un); }

 private:
  int fd_;
  sockaddr_un address_{};
};

bool OwnedByMe(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

std::string Answer(const absl::StatusOr<std::string>& result) {
  if (result.ok()) return absl::StrCat("ok ", *result, "\n");
  return absl::StrCat("error ", static_cast<int>(result.status().code()), " ",
                      result.status().message(), "\n");
}

absl::StatusOr<std::string> ParseAnswer(absl::string_view answer) {
  answer = absl::StripTrailingAsciiWhitespace(answer);
  if (absl::ConsumePrefix(&answer, "ok")) {
    return std::string(absl::StripLeadingAsciiWhitespace(answer));
  }
  const std::vector<absl::string_view> parts =
      absl::StrSplit(answer, absl::MaxSplits(' ', 2));
  int code = 0;
  if (parts.size() == 3 && parts[0] == "error" &&
      absl::SimpleAtoi(parts[1], &code) && code != 0) {
    return absl::Status(static_cast<absl::StatusCode>(code), parts[2]);
  }
  return absl::UnavailableError("the supervisor did not answer");
}

}  // namespace

struct ControlServer::Connection {
  int fd;
  absl::Time deadline;
  std::string request;

  ~Connection() { ::close(fd); }
};

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Listen(
    const std::string& directory, ControlHandler handler) {
  const std::string path = absl::StrCat(directory, "/", run::kSupervisorSocket);
  const ShortAddress address(directory);
  if (!address.ok()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", directory));
  }
  const int fd =
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(fd, address.get(), ShortAddress::size()) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound || ::listen(fd, 8) != 0) {
    ::close(fd);
    return absl::ErrnoToStatus(bound ? errno : error,
                               absl::StrCat("cannot listen at ", path));
  }
  return std::unique_ptr<ControlServer>(
      new ControlServer(path, fd, std::move(handler)));
}

ControlServer::ControlServer(std::string path, int fd, ControlHandler handler)
    : path_(std::move(path)), fd_(fd), handler_(std::move(handler)) {}

ControlServer::~ControlServer() {
  ::close(fd_);
  ::unlink(path_.c_str());
}

std::vector<int> ControlServer::Descriptors() const {
  std::vector<int> fds = {fd_};
  for (const auto& connection : connections_) fds.push_back(connection->fd);
  return fds;
}

void ControlServer::Poll() {
  while (connections_.size() < kMaxConnections) {
    const int fd =
        ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) break;
    if (!OwnedByMe(fd)) {
      ::close(fd);
      continue;
    }
    connections_.push_back(std::unique_ptr<Connection>(
        new Connection{fd, absl::Now() + absl::Seconds(2), ""}));
  }
  std::erase_if(connections_, [this](const auto& connection) {
    return !Serve(connection.get());
  });
}

bool ControlServer::Serve(Connection* connection) {
  char buffer[512];
  const ssize_t got = ::recv(connection->fd, buffer, sizeof(buffer), 0);
  if (got == 0) return false;
  if (got < 0) {
    return (errno == EAGAIN || errno == EINTR) &&
           absl::Now() < connection->deadline;
  }
  connection->request.append(buffer, static_cast<size_t>(got));
  const size_t end = connection->request.find('\n');
  if (end == std::string::npos) {
    return connection->request.size() < kMaxLine;
  }
  const std::string answer =
      Answer(handler_(connection->request.substr(0, end)));
  // An answer fits into the socket's buffer.  If the peer is gone, it needs no
  // answer.
  (void)::send(connection->fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  return false;
}

absl::StatusOr<std::string> AskSupervisor(const std::string& directory,
                                          const std::string& request,
                                          absl::Duration timeout) {
  const ShortAddress address(directory);
  if (!address.ok()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", directory));
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  const timeval limit = absl::ToTimeval(timeout);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(fd, address.get(), ShortAddress::size()) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "no supervisor serves ", directory, " (", std::strerror(errno),
        "); only a cluster that `ahactl run` keeps running can be changed"));
  }
  const std::string line = request + "\n";
  if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    return absl::UnavailableError("the supervisor does not take requests");
  }
  std::string answer;
  char buffer[512];
  ssize_t got;
  while ((got = ::recv(fd, buffer, sizeof(buffer), 0)) > 0) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  return ParseAnswer(answer);
}

}  // namespace aha::cli
