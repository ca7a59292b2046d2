#include "base/handle.h"

#include <type_traits>
#include <utility>

#include "gtest/gtest.h"

namespace aha {
namespace {

// A pair of create and destroy, as a C library has it.
struct CObject {
  int* destroyed;
};
void DestroyCObject(CObject* object) {
  ++*object->destroyed;
  delete object;
}
using CHandle = Handle<CObject*, DestroyCObject>;

TEST(HandleTest, DestroysWhatItOwnsOnce) {
  int destroyed = 0;
  {
    CHandle first(new CObject{&destroyed});
    CHandle second = std::move(first);
    EXPECT_EQ(first, nullptr);
    EXPECT_EQ(destroyed, 0);
    second.reset(new CObject{&destroyed});
    EXPECT_EQ(destroyed, 1) << "the object that it owned before";
  }
  EXPECT_EQ(destroyed, 2);
}

TEST(HandleTest, AnEmptyOneDestroysNothing) {
  const CHandle empty;  // DestroyCObject would read a null pointer.
  EXPECT_EQ(empty, nullptr);
}

TEST(HandleTest, ItIsAsSmallAsAPointerAndCannotBeCopied) {
  EXPECT_EQ(sizeof(CHandle), sizeof(CObject*));
  EXPECT_FALSE(std::is_copy_constructible_v<CHandle>);
}

}  // namespace
}  // namespace aha
