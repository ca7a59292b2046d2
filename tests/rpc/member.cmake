aha_test(member_test SRCS member_test.cc DEPS aha::member)
