// The calls that send or take weights at this moment, so that a coordinator can
// cancel them when their job goes.
//
// Thread-safe.
#pragma once

#include <set>

#include "base/mutex.h"
#include "grpcpp/grpcpp.h"

namespace aha::coordinator {

class OpenTransfers {
 public:
  // The call is cancelled at once if CancelAll was called before.
  void Add(grpc::CallbackServerContext* context) {
    MutexLock lock(mutex_);
    contexts_.insert(context);
    if (cancelled_) context->TryCancel();
  }
  // To be called before `context` is invalid.
  void Remove(grpc::CallbackServerContext* context) {
    MutexLock lock(mutex_);
    contexts_.erase(context);
  }
  void CancelAll() {
    MutexLock lock(mutex_);
    cancelled_ = true;
    for (grpc::CallbackServerContext* context : contexts_) context->TryCancel();
  }

 private:
  Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::CallbackServerContext*> contexts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
