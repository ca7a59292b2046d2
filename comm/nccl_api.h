// The functions of NCCL and of the CUDA runtime that nccl.cc calls, found when
// they are needed.
//
// They are loaded with dlopen and declared here, not linked: so the one build
// that runs on CPUs carries the NCCL body too, no program needs a driver to
// start, and a library that is missing is a line that names it.  What is
// declared is the C ABI since NCCL 2.14 and CUDA 11; where the headers are
// installed, nccl_abi_check.cc proves it at compile time.
//
// The table is immutable and thread-safe; the libraries stay loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace aha::comm {

// Values of ncclResult_t, ncclDataType_t, ncclRedOp_t, cudaError_t,
// cudaMemcpyKind and of a flag.
inline constexpr int kNcclSuccess = 0;
inline constexpr int kNcclInProgress = 7;
inline constexpr int kNcclInt64 = 4;
inline constexpr int kNcclSum = 0;
inline constexpr int kCudaSuccess = 0;
inline constexpr int kCudaErrorNotReady = 600;
inline constexpr int kCudaMemcpyHostToDevice = 1;
inline constexpr int kCudaMemcpyDeviceToHost = 2;
inline constexpr unsigned kCudaStreamNonBlocking = 1;

struct NcclUniqueId {
  char bytes[128];
};

// The head of ncclConfig_t as of 2.14; a newer library reads as much of it as
// `size` says and takes its defaults for the rest.
struct NcclConfig {
  size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = 21400;
  int blocking = 0;
};

struct NcclApi {
  using Comm = void*;
  using Stream = void*;

  int (*get_version)(int* version);
  const char* (*error_string)(int result);
  const char* (*last_error)(Comm comm);
  int (*get_unique_id)(NcclUniqueId* id);
  int (*comm_init)(Comm* comm, int ranks, NcclUniqueId id, int rank,
                   NcclConfig* config);
  int (*async_error)(Comm comm, int* result);
  int (*all_reduce)(const void* from, void* to, size_t count, int type, int op,
                    Comm comm, Stream stream);
  int (*comm_abort)(Comm comm);

  const char* (*cuda_error_string)(int error);
  int (*set_device)(int device);
  int (*allocate)(void** memory, size_t bytes);
  int (*free)(void* memory);
  int (*copy)(void* to, const void* from, size_t bytes, int kind,
              Stream stream);
  int (*stream_create)(Stream* stream, unsigned flags);
  int (*stream_query)(Stream stream);
  int (*stream_destroy)(Stream stream);
};

struct NcclLibraries {
  // Names for dlopen; the first that loads is taken.
  std::vector<std::string> nccl = {"libnccl.so.2"};
  std::vector<std::string> cuda = {"libcudart.so.13", "libcudart.so.12"};
};

// FAILED_PRECONDITION: a library, or a function in it, is missing, or NCCL is
// older than 2.14; the message says which and what to install.
absl::StatusOr<NcclApi> LoadNccl(const NcclLibraries& libraries);

}  // namespace aha::comm
