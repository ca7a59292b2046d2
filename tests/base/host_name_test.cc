#include "base/host_name.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(HostNameTest, IsTheNodeNameOfTheSystem) {
  utsname system = {};
  ASSERT_EQ(::uname(&system), 0);
  EXPECT_EQ(HostName(), system.nodename);
}

// A name of the greatest length that Linux allows is not cut.  The child gives
// itself one in a name space of its own, where it may.
TEST(HostNameDeathTest, ALongNameIsNotCut) {
  EXPECT_EXIT(
      {
        const std::string longest(64, 'h');
        if (::unshare(CLONE_NEWUTS) != 0 ||
            ::sethostname(longest.data(), longest.size()) != 0) {
          ::_exit(0);  // This user may not.
        }
        ::_exit(HostName() == longest ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace aha
