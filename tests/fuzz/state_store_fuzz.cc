// Fuzzes the coordinator's database, any of whose bytes may change on disk.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "coordinator/state_store.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

void ReadAll(StateStore& store) {
  (void)store.Get("epoch");
  (void)store.FindCommit(0, 1);
  (void)store.LastCommitBefore(0, 9);
  (void)store.EachMetricsLine(
      1, 0, [](const std::string&) { return absl::OkStatus(); });
  (void)store.TotalsBefore(1, 0);
  (void)store.Checkpoints();
  (void)store.Evals();
  (void)store.Datasets();
  (void)store.StageSeconds();
  (void)store.HasResults();
}

// Returns a database with content in every table.
std::string Valid() {
  const TempDir directory;
  const std::string path = directory.path() + "/coordinator.db";
  {
    auto store = StateStore::Open(path);
    if (!store.ok()) std::abort();
    (void)(*store)->Set({{"epoch", "3"}, {"state", "running"}});
    (void)(*store)->PutCommit({.step = 1, .metrics_line = "{}"}, 1);
    (void)(*store)->PutCheckpoint({.next_step = 2, .directory = "c"}, 2);
    (void)(*store)->PutEval({.stage = 1, .prompts = 4}, 3);
    (void)(*store)->PutDataset({.stage = 2, .prompts = 5}, 4);
  }
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace
}  // namespace aha::coordinator

// The input lists the bytes that change: (offset: 2 bytes, value: 1 byte) ...
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace coordinator = aha::coordinator;
  static const std::string& valid = *new std::string(coordinator::Valid());
  static const aha::TempDir& directory = *new aha::TempDir;
  std::string bytes = valid;
  for (size_t i = 0; i + 3 <= size; i += 3) {
    bytes[(data[i] | size_t{data[i + 1]} << 8) % bytes.size()] =
        static_cast<char>(data[i + 2]);
  }
  const std::string path = directory.path() + "/coordinator.db";
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path + suffix);
  }
  std::ofstream(path, std::ios::binary) << bytes;
  const auto store = coordinator::StateStore::Open(path);
  if (store.ok()) coordinator::ReadAll(**store);
  return 0;
}
