#include "comm/nccl_api.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace aha::comm {
namespace {

constexpr int kOldestVersion = 21400;  // Non-blocking communicators.

class Library {
 public:
  static absl::StatusOr<Library> Open(const std::vector<std::string>& names,
                                      const char* what) {
    std::vector<std::string> errors;
    for (const std::string& name : names) {
      void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle != nullptr) return Library(handle, name);
      errors.emplace_back(dlerror());
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "collectives nccl: ", what, " cannot be loaded (",
        absl::StrJoin(errors, "; "),
        "); install it, say where it is with LD_LIBRARY_PATH, or use "
        "collectives gloo"));
  }

  template <class Function>
  absl::Status Find(const char* name, Function* function) const {
    *function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (*function != nullptr) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("collectives nccl: ", name_, " has no function ", name,
                     "; install a newer one, or use collectives gloo"));
  }

 private:
  Library(void* handle, std::string name)
      : handle_(handle), name_(std::move(name)) {}

  void* handle_;
  std::string name_;
};

}  // namespace

absl::StatusOr<NcclApi> LoadNccl(const NcclLibraries& libraries) {
  AHA_ASSIGN_OR_RETURN(const Library nccl,
                       Library::Open(libraries.nccl, "NCCL"));
  AHA_ASSIGN_OR_RETURN(const Library cuda,
                       Library::Open(libraries.cuda, "the CUDA runtime"));
  NcclApi api{};
  AHA_RETURN_IF_ERROR(nccl.Find("ncclGetVersion", &api.get_version));
  int version = 0;
  if (api.get_version(&version) != kNcclSuccess || version < kOldestVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "collectives nccl: NCCL must be at least version ", kOldestVersion,
        ", is ", version, "; install a newer one, or use collectives gloo"));
  }
  for (const absl::Status& found :
       {nccl.Find("ncclGetErrorString", &api.error_string),
        nccl.Find("ncclGetLastError", &api.last_error),
        nccl.Find("ncclGetUniqueId", &api.get_unique_id),
        nccl.Find("ncclCommInitRankConfig", &api.comm_init),
        nccl.Find("ncclCommGetAsyncError", &api.async_error),
        nccl.Find("ncclAllReduce", &api.all_reduce),
        nccl.Find("ncclReduceScatter", &api.reduce_scatter),
        nccl.Find("ncclAllGather", &api.all_gather),
        nccl.Find("ncclCommAbort", &api.comm_abort),
        cuda.Find("cudaGetErrorString", &api.cuda_error_string),
        cuda.Find("cudaSetDevice", &api.set_device),
        cuda.Find("cudaMalloc", &api.allocate),
        cuda.Find("cudaFree", &api.free),
        cuda.Find("cudaMemcpyAsync", &api.copy),
        cuda.Find("cudaStreamCreateWithFlags", &api.stream_create),
        cuda.Find("cudaStreamQuery", &api.stream_query),
        cuda.Find("cudaStreamDestroy", &api.stream_destroy)}) {
    AHA_RETURN_IF_ERROR(found);
  }
  return api;
}

}  // namespace aha::comm
