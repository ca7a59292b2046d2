// The functions of NCCL and of the CUDA runtime that nccl.cc calls, loaded at
// run time.
//
// They are found with dlopen and declared here instead of linked: the build for
// CPUs includes the NCCL body too, no program needs a driver to start, and a
// missing library is an error that names it.  The declarations are the C ABI
// since NCCL 2.14 and CUDA 11; where the headers are installed,
// nccl_abi_check.cc verifies them at compile time.
//
// NcclApi is immutable and thread-safe; the libraries stay loaded.
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
inline constexpr int kNcclUint8 = 1;
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
  // Rank r receives sum r of `count` elements each, of `ranks * count` in all.
  int (*reduce_scatter)(const void* from, void* to, size_t count, int type,
                        int op, Comm comm, Stream stream);
  // Each rank gives `count` elements and receives `ranks * count`.
  int (*all_gather)(const void* from, void* to, size_t count, int type,
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
  // Names for dlopen; the first one that loads is used.
  std::vector<std::string> nccl = {"libnccl.so.2"};
  std::vector<std::string> cuda = {"libcudart.so.13", "libcudart.so.12"};
};

// FAILED_PRECONDITION: a library, or a function in it, is missing, or NCCL is
// older than 2.14; the message says which and what to install.
absl::StatusOr<NcclApi> LoadNccl(const NcclLibraries& libraries);

}  // namespace aha::comm
