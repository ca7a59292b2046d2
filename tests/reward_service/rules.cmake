aha_test(rules_test SRCS rules_test.cc DEPS aha::reward_rules)
