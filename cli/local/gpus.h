// The GPUs of this machine, which Aha does not use yet.
//
// A user must not believe that a GPU works, so `ahactl doctor` and the first
// line of `ahactl run` say that it is ignored.
#pragma once

#include <string>
#include <vector>

namespace aha::cli {

// The models of the NVIDIA GPUs that the kernel knows, e.g. "NVIDIA H200", one
// for each.  It reads below `root` what the driver says (/proc/driver/nvidia),
// or else the PCI devices ("NVIDIA GPU"), which are there without a driver.
std::vector<std::string> FindGpus(const std::string& root = "");

// "2 x NVIDIA H200"; "" if there is none.
std::string GpuText(const std::vector<std::string>& gpus);

}  // namespace aha::cli
