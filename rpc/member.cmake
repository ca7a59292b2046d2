aha_library(member SRCS attendance.cc heartbeats.cc member.cc DEPS aha::base aha::rpc aha::wire_proto
                absl::status absl::statusor absl::strings absl::time)
