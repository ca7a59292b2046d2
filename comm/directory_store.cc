#include "comm/directory_store.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"

namespace aha::comm {
namespace {

// Ranks start within milliseconds of one another, and a rendezvous happens
// once a stage.
constexpr absl::Duration kPoll = absl::Milliseconds(5);

}  // namespace

absl::StatusOr<DirectoryStore> DirectoryStore::Open(std::string directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        "cannot make rendezvous directory ", directory, ": ", error.message()));
  }
  return DirectoryStore(std::move(directory));
}

std::string DirectoryStore::PathOf(absl::string_view key) const {
  return absl::StrCat(directory_, "/", absl::BytesToHexString(key));
}

absl::Status DirectoryStore::Set(absl::string_view key,
                                 absl::string_view value) const {
  const std::string path = PathOf(key);
  const std::string temporary = absl::StrCat(path, ".", ::getpid(), ".tmp");
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file.write(value.data(), static_cast<std::streamsize>(value.size()));
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path, error);
  if (!file || error) {
    return absl::UnavailableError(
        absl::StrCat("cannot write ", path, ": ",
                     error ? error.message() : std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DirectoryStore::Get(absl::string_view key,
                                                absl::Duration timeout) const {
  const std::string path = PathOf(key);
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + timeout;
  while (true) {
    std::ifstream file(path, std::ios::binary);
    if (file) {
      std::ostringstream text;
      text << file.rdbuf();
      return text.str();
    }
    if (clock() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          path, " did not appear within ", absl::FormatDuration(timeout)));
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace aha::comm
