aha_library(reward_rules
  SRCS number_text.cc rules.cc
  DEPS aha::base absl::status absl::statusor absl::strings absl::span)
