// Implements data/byte_stream.h. The raw bytes come from a file or from memory;
// a decompressor stands before them if their head says so, and the limit before
// that.
#include "data/byte_stream.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"

namespace aha {
namespace {

constexpr size_t kBufferBytes = size_t{64} << 10;
constexpr absl::string_view kGzipMagic("\x1f\x8b", 2);
constexpr absl::string_view kZstdMagic("\x28\xb5\x2f\xfd", 4);

class FileBytes final : public ByteStream {
 public:
  explicit FileBytes(FileReader file) : file_(std::move(file)) {}

  absl::StatusOr<size_t> Read(absl::Span<char> data) override {
    const uint64_t left = file_.size() - read_;
    const size_t size = std::min<uint64_t>(data.size(), left);
    if (size == 0) return 0;
    AHA_RETURN_IF_ERROR(file_.Read(data.data(), size));
    read_ += size;
    return size;
  }

 private:
  FileReader file_;
  uint64_t read_ = 0;
};

class MemoryBytes final : public ByteStream {
 public:
  explicit MemoryBytes(absl::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<size_t> Read(absl::Span<char> data) override {
    const size_t size = bytes_.copy(data.data(), data.size());
    bytes_.remove_prefix(size);
    return size;
  }

 private:
  absl::string_view bytes_;
};

// The compressed side of a decompressor: a buffer that is filled when it is
// empty.
class Compressed {
 public:
  explicit Compressed(std::unique_ptr<ByteStream> source)
      : source_(std::move(source)), buffer_(kBufferBytes) {}

  // The bytes that were not consumed yet; empty at the end of the source.
  absl::StatusOr<absl::string_view> Peek() {
    if (rest_.empty()) {
      AHA_ASSIGN_OR_RETURN(const size_t size,
                           source_->Read(absl::MakeSpan(buffer_)));
      rest_ = absl::string_view(buffer_.data(), size);
    }
    return rest_;
  }
  void Consume(size_t size) { rest_.remove_prefix(size); }

 private:
  const std::unique_ptr<ByteStream> source_;
  std::vector<char> buffer_;
  absl::string_view rest_;
};

absl::Status CutOff(absl::string_view format) {
  return absl::InvalidArgumentError(
      absl::StrCat("ends in the middle of its ", format,
                   " data: it was cut off; copy or download it again"));
}

absl::Status Damaged(absl::string_view format, absl::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("must be valid ", format, " data, is damaged: ", reason));
}

class GzipBytes final : public ByteStream {
 public:
  explicit GzipBytes(std::unique_ptr<ByteStream> source)
      : source_(std::move(source)) {
    constexpr int kGzipWindow = 15 + 16;
    usable_ = ::inflateInit2(&stream_, kGzipWindow) == Z_OK;
  }
  ~GzipBytes() override {
    if (usable_) ::inflateEnd(&stream_);
  }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

  absl::StatusOr<size_t> Read(absl::Span<char> data) override {
    if (!usable_) return absl::ResourceExhaustedError("zlib has no memory");
    while (true) {
      AHA_ASSIGN_OR_RETURN(const absl::string_view input, source_.Peek());
      if (input.empty()) {
        if (!inside_) return 0;
        return CutOff("gzip");
      }
      if (!inside_) {
        // A file may hold several members one behind another.
        if (started_ && ::inflateReset(&stream_) != Z_OK) {
          return Damaged("gzip", "it cannot go on behind a member");
        }
        inside_ = started_ = true;
      }
      AHA_ASSIGN_OR_RETURN(const size_t size, Inflate(input, data));
      if (size > 0) return size;
    }
  }

 private:
  absl::StatusOr<size_t> Inflate(absl::string_view input,
                                 absl::Span<char> data) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = reinterpret_cast<Bytef*>(data.data());
    stream_.avail_out =
        static_cast<uInt>(std::min<size_t>(data.size(), kBufferBytes));
    const uInt room = stream_.avail_out;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    source_.Consume(input.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Damaged("gzip",
                     stream_.msg == nullptr ? "zlib refuses it" : stream_.msg);
    }
    return room - stream_.avail_out;
  }

  Compressed source_;
  z_stream stream_ = {};
  bool usable_ = false;
  bool started_ = false;
  bool inside_ = false;  // A member has begun and not ended.
};

class ZstdBytes final : public ByteStream {
 public:
  explicit ZstdBytes(std::unique_ptr<ByteStream> source)
      : source_(std::move(source)), stream_(::ZSTD_createDStream()) {}
  ~ZstdBytes() override { ::ZSTD_freeDStream(stream_); }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;

  absl::StatusOr<size_t> Read(absl::Span<char> data) override {
    if (stream_ == nullptr) {
      return absl::ResourceExhaustedError("zstd has no memory");
    }
    while (true) {
      AHA_ASSIGN_OR_RETURN(const absl::string_view input, source_.Peek());
      ZSTD_inBuffer in = {input.data(), input.size(), 0};
      ZSTD_outBuffer out = {data.data(), data.size(), 0};
      // Without input it still writes out what it holds.
      if (input.empty() && frame_ended_) return 0;
      const size_t result = ::ZSTD_decompressStream(stream_, &out, &in);
      if (::ZSTD_isError(result)) {
        return Damaged("zstd", ::ZSTD_getErrorName(result));
      }
      source_.Consume(in.pos);
      frame_ended_ = result == 0;
      if (out.pos > 0) return out.pos;
      if (input.empty() && !frame_ended_) return CutOff("zstd");
    }
  }

 private:
  Compressed source_;
  ZSTD_DStream* const stream_;
  bool frame_ended_ = true;
};

class LimitedBytes final : public ByteStream {
 public:
  LimitedBytes(std::unique_ptr<ByteStream> source, uint64_t limit)
      : source_(std::move(source)), limit_(limit) {}

  absl::StatusOr<size_t> Read(absl::Span<char> data) override {
    AHA_ASSIGN_OR_RETURN(const size_t size, source_->Read(data));
    read_ += size;
    if (read_ <= limit_) return size;
    return absl::InvalidArgumentError(
        absl::StrCat("must have at most ", limit_,
                     " bytes, decompressed, together with the "
                     "files before it; use fewer or smaller files"));
  }

 private:
  const std::unique_ptr<ByteStream> source_;
  const uint64_t limit_;
  uint64_t read_ = 0;
};

std::unique_ptr<ByteStream> Decompressed(absl::string_view head,
                                         std::unique_ptr<ByteStream> source,
                                         uint64_t limit) {
  if (absl::StartsWith(head, kGzipMagic)) {
    source = std::make_unique<GzipBytes>(std::move(source));
  } else if (absl::StartsWith(head, kZstdMagic)) {
    source = std::make_unique<ZstdBytes>(std::move(source));
  }
  return std::make_unique<LimitedBytes>(std::move(source), limit);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ByteStream>> OpenByteStream(
    const std::string& path, uint64_t limit) {
  AHA_ASSIGN_OR_RETURN(FileReader file, FileReader::Open(path));
  char head[4] = {};
  const size_t size = std::min<uint64_t>(sizeof(head), file.size());
  AHA_RETURN_IF_ERROR(file.ReadAt(0, head, size));
  return Decompressed(absl::string_view(head, size),
                      std::make_unique<FileBytes>(std::move(file)), limit);
}

absl::StatusOr<std::unique_ptr<ByteStream>> ByteStreamOf(
    absl::string_view bytes, uint64_t limit) {
  return Decompressed(bytes.substr(0, 4), std::make_unique<MemoryBytes>(bytes),
                      limit);
}

}  // namespace aha
