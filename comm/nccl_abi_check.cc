// Verifies nccl_api.h against the real headers; compiled where they are
// installed.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <type_traits>

#include "comm/nccl_api.h"

namespace aha::comm {

static_assert(kNcclSuccess == ncclSuccess);
static_assert(kNcclInProgress == ncclInProgress);
static_assert(kNcclUint8 == ncclUint8);
static_assert(kNcclInt64 == ncclInt64);
static_assert(kNcclSum == ncclSum);
static_assert(kCudaSuccess == cudaSuccess);
static_assert(kCudaErrorNotReady == cudaErrorNotReady);
static_assert(kCudaMemcpyHostToDevice == cudaMemcpyHostToDevice);
static_assert(kCudaMemcpyDeviceToHost == cudaMemcpyDeviceToHost);
static_assert(kCudaStreamNonBlocking == cudaStreamNonBlocking);
static_assert(sizeof(NcclUniqueId) == sizeof(ncclUniqueId));
static_assert(offsetof(NcclConfig, size) == offsetof(ncclConfig_t, size));
static_assert(offsetof(NcclConfig, magic) == offsetof(ncclConfig_t, magic));
static_assert(offsetof(NcclConfig, version) == offsetof(ncclConfig_t, version));
static_assert(offsetof(NcclConfig, blocking) ==
              offsetof(ncclConfig_t, blocking));
constexpr ncclConfig_t kTheirs = NCCL_CONFIG_INITIALIZER;
static_assert(NcclConfig().magic == kTheirs.magic);
static_assert(NcclConfig().version == NCCL_VERSION(2, 14, 0));

// Enums and handles pass as int and pointer do.
template <class T>
using Plain =
    std::conditional_t<std::is_enum_v<T>, int,
                       std::conditional_t<std::is_pointer_v<T>, void*,
                                          std::conditional_t<std::is_class_v<T>,
                                                             NcclUniqueId, T>>>;
template <class Ours, class Real>
struct Same;
template <class R, class... A, class Q, class... B>
struct Same<R (*)(A...), Q(B...)>
    : std::bool_constant<std::is_same_v<Plain<R>, Plain<Q>> &&
                         (std::is_same_v<Plain<A>, Plain<B>> && ...)> {};
#define AHA_CHECK(member, function) \
  static_assert(Same<decltype(NcclApi::member), decltype(function)>::value)
AHA_CHECK(get_version, ncclGetVersion);
AHA_CHECK(error_string, ncclGetErrorString);
AHA_CHECK(last_error, ncclGetLastError);
AHA_CHECK(get_unique_id, ncclGetUniqueId);
AHA_CHECK(comm_init, ncclCommInitRankConfig);
AHA_CHECK(async_error, ncclCommGetAsyncError);
AHA_CHECK(all_reduce, ncclAllReduce);
AHA_CHECK(reduce_scatter, ncclReduceScatter);
AHA_CHECK(all_gather, ncclAllGather);
AHA_CHECK(comm_abort, ncclCommAbort);
AHA_CHECK(cuda_error_string, cudaGetErrorString);
AHA_CHECK(set_device, cudaSetDevice);

AHA_CHECK(free, cudaFree);
AHA_CHECK(stream_create, cudaStreamCreateWithFlags);
AHA_CHECK(stream_query, cudaStreamQuery);
AHA_CHECK(stream_destroy, cudaStreamDestroy);

}  // namespace aha::comm
