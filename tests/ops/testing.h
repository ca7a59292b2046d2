// Helpers that the tests of ops/ share: random numbers, pools, bit comparison
// and the only table of tolerances.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "device/context.h"
#include "device/device.h"
#include "device/dtype.h"
#include "gtest/gtest.h"

namespace aha::ops {

// Tolerances relative to max(|want|, scale). Loosening one needs a review.
struct Tolerance {
  double row;      // Results of elementwise ops and of attention.
  double product;  // Results of GEMMs, which are fp32 whatever the factors are.
  double gradient;  // Gradients, some of which go through rounded dlogits.
};
inline Tolerance ToleranceOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {2e-6, 4e-6, 1e-5};
    case DType::kBf16:
      // 2^-7: one number was rounded to the other side.
      return {8e-3, 4e-6, 8e-3};
  }
  return {};
}

// Returns standard normal numbers (Box-Muller) times `scale`.
inline std::vector<float> Normal(int64_t count, uint64_t seed,
                                 float scale = 1) {
  const RandomKey key(seed, RandomPurpose::kTest);
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    const double radius = std::sqrt(-2.0 * std::log(key.Uniform(2 * i)));
    const double angle = 6.283185307179586 * key.Uniform(2 * i + 1);
    out[i] = scale * static_cast<float>(radius * std::cos(angle));
  }
  return out;
}

// A tensor in either format.
class Tensor {
 public:
  Tensor(int64_t count, DType dtype)
      : dtype_(dtype), data_(static_cast<size_t>(count) * SizeOf(dtype)) {}
  Tensor(const std::vector<float>& values, DType dtype)
      : Tensor(static_cast<int64_t>(values.size()), dtype) {
    for (size_t i = 0; i < values.size(); ++i) Set(i, values[i]);
  }
  DType dtype() const { return dtype_; }
  void* data() { return data_.data(); }
  const void* data() const { return data_.data(); }
  const void* at(int64_t i) const { return data_.data() + Offset(i); }
  void* at(int64_t i) { return data_.data() + Offset(i); }
  float operator[](int64_t i) const {
    if (dtype_ == DType::kBf16) {
      Bf16 x;
      std::memcpy(&x, at(i), sizeof(x));
      return ToFloat(x);
    }
    float x;
    std::memcpy(&x, at(i), sizeof(x));
    return x;
  }
  void Set(int64_t i, float value) {
    if (dtype_ == DType::kBf16) {
      const Bf16 x = ToBf16(value);
      std::memcpy(at(i), &x, sizeof(x));
    } else {
      std::memcpy(at(i), &value, sizeof(value));
    }
  }
  std::vector<float> Floats() const {
    std::vector<float> out(data_.size() / SizeOf(dtype_));
    for (size_t i = 0; i < out.size(); ++i) out[i] = (*this)[i];
    return out;
  }

 private:
  int64_t Offset(int64_t i) const {
    return i * static_cast<int64_t>(SizeOf(dtype_));
  }
  DType dtype_;
  std::vector<unsigned char> data_;
};

// A pool and a context that uses it.
struct Cpu {
  explicit Cpu(int threads) : pool(threads) {}
  operator CpuContext() { return {&pool}; }
  ThreadPool pool;
};

// The rows of the suite: every test of an op that is not about one device runs
// on each.
// With AHA_TEST_CPU_ONLY set, as when the suite runs again for one instruction
// set, the reference is left out: it has none.
inline auto AllDevices() {
  std::vector<Device> devices = {Device::kCpu};
  if (std::getenv("AHA_TEST_CPU_ONLY") == nullptr) {
    devices.push_back(Device::kReference);
  }
  return ::testing::ValuesIn(devices);
}
// One device and its contexts.
class Machine {
 public:
  explicit Machine(Device device) : device_(device) {}
  // For tests in which the number of threads does not matter.
  Context context() { return ContextOf(device_, &two_.pool); }
  // All that must give the same bits: the CPU with one, two and three threads.
  std::vector<Context> contexts() {
    if (device_ == Device::kReference) return {ReferenceContext{}};
    return {CpuContext(one_), CpuContext(two_), CpuContext(three_)};
  }

 private:
  const Device device_;
  Cpu one_{1}, two_{2}, three_{3};
};

inline int64_t DifferingBits(const void* a, const void* b, int64_t floats) {
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  int64_t differing = 0;
  for (int64_t i = 0; i < floats; ++i) {
    differing += std::memcmp(x + i, y + i, sizeof(float)) != 0;
  }
  return differing;
}

inline void ExpectNear(const std::vector<float>& got,
                       const std::vector<float>& want, double tolerance,
                       double scale = 1) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const double limit = tolerance * std::max(std::abs(double{want[i]}), scale);
    ASSERT_NEAR(got[i], want[i], limit) << "at " << i;
  }
}

// Compares central differences of `objective` in each of x's numbers with dx.
template <class F>
void ExpectGradient(std::vector<float>& x, const std::vector<float>& dx,
                    F&& objective, float step = 1e-2f,
                    double tolerance = 3e-3) {
  for (size_t i = 0; i < x.size(); ++i) {
    const float saved = x[i];
    x[i] = saved + step;
    const double up = objective();
    x[i] = saved - step;
    const double down = objective();
    x[i] = saved;
    const double want = (up - down) / (2 * double{step});
    ASSERT_NEAR(dx[i], want, tolerance * std::max(1.0, std::abs(want)))
        << "at " << i;
  }
}

inline double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

}  // namespace aha::ops
