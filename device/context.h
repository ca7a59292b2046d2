// The device on which an op runs.
//
// Every op has one argument struct and one body for each device; overload
// resolution on the context selects the body:
//
//   rms_norm_ref.cc  void RmsNorm(const ReferenceContext&, const RmsNormArgs&);
//   rms_norm_cpu.cc  void RmsNorm(const CpuContext&, const RmsNormArgs&);
//   rms_norm.h       void RmsNorm(const Context&, const RmsNormArgs&);
//
// Callers that do not know the device use the third one.
//
// Code that composes ops holds a Context, which names no device: the process
// chooses the device once, at start-up.  A further device is one more context
// type here and one more body file for each op.
#pragma once

#include <utility>
#include <variant>

#include "base/thread_pool.h"

namespace aha::ops {

// The reference device: plain loops with double accumulators on host memory,
// one thread.  Its bodies are the definitions that the other devices are
// tested against.  fp32 and bf16 inputs are taken as the numbers they hold.
struct ReferenceContext {};

// The CPU device: the bodies for this CPU's instruction set (isa.h).
struct CpuContext {
  ThreadPool* pool;  // Not owned.
};

// A device that was chosen at run time.  A small value: pass and copy freely.
class Context {
 public:
  // Implicit, so that a concrete context can stand wherever a Context does.
  Context(ReferenceContext context) : device_(context) {}
  Context(CpuContext context) : device_(context) {}

  // body(device) with the concrete context; every body returns the same type.
  template <class Body>
  decltype(auto) Visit(Body&& body) const {
    return std::visit(std::forward<Body>(body), device_);
  }

 private:
  std::variant<ReferenceContext, CpuContext> device_;
};

}  // namespace aha::ops
