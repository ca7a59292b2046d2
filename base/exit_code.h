// The exit code by which a process tells its supervisor that a restart would
// not help.
#pragma once

namespace aha {

// EX_CONFIG of sysexits.h: the process refuses to run with its flags, its
// configuration or on this machine.
inline constexpr int kExitRefused = 78;

}  // namespace aha
