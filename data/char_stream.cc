#include "data/char_stream.h"

#include "absl/strings/match.h"

namespace aha {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;

}  // namespace

CharStream::CharStream(std::unique_ptr<ByteStream> bytes)
    : bytes_(std::move(bytes)), buffer_(kChunkBytes, '\0') {
  Fill();
  // A stream may give less than it has, so the head is filled up.
  while (size_ > 0 && size_ < kChunkBytes && !ended_) {
    const auto more =
        bytes_->Read(absl::MakeSpan(&buffer_[size_], kChunkBytes - size_));
    if (!more.ok()) status_ = more.status();
    if (!more.ok() || *more == 0) ended_ = true;
    if (more.ok()) size_ += *more;
  }
  if (absl::StartsWith(Head(), "\xEF\xBB\xBF")) next_ = 3;
}

absl::string_view CharStream::Head() {
  return absl::string_view(buffer_).substr(next_, size_ - next_);
}

void CharStream::Fill() {
  next_ = size_ = 0;
  if (ended_) return;
  const auto size = bytes_->Read(absl::MakeSpan(&buffer_[0], kChunkBytes));
  if (!size.ok()) status_ = size.status();
  if (!size.ok() || *size == 0) {
    ended_ = true;
    return;
  }
  size_ = *size;
}

}  // namespace aha
