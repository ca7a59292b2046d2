#include "cli/local/control_socket.h"

#include <poll.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

// Serves one directory from a thread until destroyed.
class Serving {
 public:
  explicit Serving(const std::string& directory) {
    server_ = *ControlServer::Listen(
        directory,
        [](const std::string& request) -> absl::StatusOr<std::string> {
          if (request == "actor add") return std::string("actor-2");
          return absl::NotFoundError(absl::StrCat("no ", request));
        });
    thread_ = std::thread([this] {
      while (!stop_) {
        std::vector<pollfd> fds;
        for (int fd : server_->Descriptors()) fds.push_back({fd, POLLIN, 0});
        ::poll(fds.data(), fds.size(), 10);
        server_->Poll();
      }
    });
  }
  ~Serving() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::unique_ptr<ControlServer> server_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST(ControlSocketTest, AnswersAndErrorsComeBackAsTheyWereGiven) {
  const TempDir dir;
  const Serving serving(dir.path());
  const auto added = AskSupervisor(dir.path(), "actor add", absl::Seconds(10));
  EXPECT_EQ(added.value(), "actor-2");
  const auto refused =
      AskSupervisor(dir.path(), "actor remove x", absl::Seconds(10));
  EXPECT_EQ(refused.status(), absl::NotFoundError("no actor remove x"));
}

TEST(ControlSocketTest, OnlyTheOwnerMayConnect) {
  const TempDir dir;
  const Serving serving(dir.path());
  struct stat info {};
  ASSERT_EQ(::stat((dir.path() + "/supervisor.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(ControlSocketTest, ADeepRunDirectoryHasASocketToo) {
  const TempDir dir;
  const std::string deep = dir.path() + "/" + std::string(150, 'd');
  std::filesystem::create_directories(deep);
  const Serving serving(deep);
  EXPECT_TRUE(AskSupervisor(deep, "actor add", absl::Seconds(10)).ok());
}

TEST(ControlSocketTest, WithoutAServerItIsUnavailable) {
  const TempDir dir;
  EXPECT_EQ(
      AskSupervisor(dir.path(), "actor add", absl::Seconds(1)).status().code(),
      absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace aha::cli
