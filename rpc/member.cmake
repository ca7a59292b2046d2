aha_library(member SRCS member.cc DEPS aha::base aha::rpc aha::wire_proto
                absl::status absl::statusor absl::strings absl::time)
