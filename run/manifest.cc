#include "run/manifest.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxManifestBytes = 16 << 20;
constexpr size_t kPiece = 1 << 20;
// Hash of the manifest itself, as its text would be without this key.
constexpr char kSelf[] = "manifest_xxh3_128";

// Reads members of one object, remembers the first error and which keys were
// asked for, so that unknown keys can be refused at the end.
class Reader {
 public:
  Reader(const json& object, std::string where)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) Fail("", "must be an object");
  }

  std::string String(const char* key) {
    const json* value = Find(key);
    if (value == nullptr) return "";
    if (!value->is_string()) {
      Fail(key, "must be a string");
      return "";
    }
    return value->get<std::string>();
  }

  uint64_t Number(const char* key,
                  uint64_t most = std::numeric_limits<int64_t>::max()) {
    const json* value = Find(key);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned() || value->get<uint64_t>() > most) {
      Fail(key, absl::StrCat("must be an integer from 0 to ", most, ", is ",
                             value->is_primitive() ? value->dump().substr(0, 60)
                                                   : value->type_name()));
      return 0;
    }
    return value->get<uint64_t>();
  }

  bool Bool(const char* key) {
    const json* value = Find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) Fail(key, "must be true or false");
    return value->is_boolean() && value->get<bool>();
  }

  Hash128 Hash(const char* key) {
    absl::StatusOr<Hash128> hash = Hash128::FromHex(String(key));
    if (!hash.ok()) Fail(key, std::string(hash.status().message()));
    return hash.ok() ? *hash : Hash128{};
  }

  const json* Find(const char* key) {
    known_.insert(key);
    if (!status_.ok()) return nullptr;
    const auto it = object_.find(key);
    if (it == object_.end()) {
      Fail(key, "is missing");
      return nullptr;
    }
    return &*it;
  }

  void Fail(absl::string_view key, absl::string_view rule) {
    if (!status_.ok()) return;
    status_ = absl::DataLossError(
        absl::StrCat(where_, key.empty() ? "" : ": ", key, " ", rule));
  }

  absl::Status Finish() {
    if (!status_.ok()) return status_;
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) Fail(key, "is not a known key");
    }
    return status_;
  }

 private:
  const json& object_;
  const std::string where_;
  std::set<std::string> known_;
  absl::Status status_;
};

absl::Status CheckPartPath(const std::string& where, const std::string& path) {
  const bool inside =
      !path.empty() && path[0] != '/' && path.find('\0') == std::string::npos;
  bool plain = inside;
  for (absl::string_view piece : absl::StrSplit(path, '/')) {
    if (piece.empty() || piece == "." || piece == "..") plain = false;
  }
  if (plain) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(where, ": parts.path must stay inside the checkpoint, is \"",
                   path, "\""));
}

absl::StatusOr<std::vector<ManifestPart>> ReadParts(const json& list,
                                                    const std::string& where) {
  if (!list.is_array() || list.empty()) {
    return absl::DataLossError(
        absl::StrCat(where, ": parts must be a list with at least one entry"));
  }
  std::vector<ManifestPart> parts;
  for (const json& entry : list) {
    Reader reader(entry, absl::StrCat(where, ": parts"));
    ManifestPart part;
    part.path = reader.String("path");
    part.bytes = reader.Number("bytes");
    part.checksum = reader.Hash("xxh3_128");
    AHA_RETURN_IF_ERROR(reader.Finish());
    AHA_RETURN_IF_ERROR(CheckPartPath(where, part.path));
    parts.push_back(std::move(part));
  }
  return parts;
}

json ToJson(const Manifest& manifest) {
  json parts = json::array();
  for (const ManifestPart& part : manifest.parts) {
    parts.push_back({{"path", part.path},
                     {"bytes", part.bytes},
                     {"xxh3_128", part.checksum.Hex()}});
  }
  return {{"format", kFormat},
          {"job", manifest.job},
          {"job_fingerprint", manifest.job_fingerprint.Hex()},
          {"job_text", manifest.job_text},
          {"stage", manifest.stage},
          {"stage_name", manifest.stage_name},
          {"next_step", manifest.next_step},
          {"stage_done", manifest.stage_done},
          {"world_size", manifest.world_size},
          {"dtype", manifest.dtype},
          {"weights_checksum", manifest.weights_checksum.Hex()},
          {"previous_checksum", manifest.previous_checksum.Hex()},
          {"chain", manifest.chain.Hex()},
          {"num_tokens", manifest.num_tokens},
          {"parts", parts}};
}

// Keys are sorted and numbers are integers, so the text is a function of the
// content.
std::string TextOf(const json& object) {
  return object.dump(1, ' ', false, json::error_handler_t::replace);
}

Hash128 SelfHash(json object) {
  object.erase(kSelf);
  const std::string text = TextOf(object);
  return HashBytes(text.data(), text.size());
}

}  // namespace

absl::StatusOr<Manifest> ReadManifest(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kManifestFile);
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(path, kMaxManifestBytes));
  return ParseManifest(text, path);
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view text,
                                       const std::string& path) {
  const absl::StatusOr<json> root = ParseJson<json>(text);
  if (!root.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", root.status().message()));
  }
  Reader reader(*root, path);
  if (const uint64_t format = reader.Number("format"); format != kFormat) {
    reader.Fail("format", absl::StrCat("must be ", kFormat, ", is ", format));
  }
  constexpr uint64_t kU32 = std::numeric_limits<uint32_t>::max();
  Manifest manifest;
  manifest.job = reader.String("job");
  manifest.job_fingerprint = reader.Hash("job_fingerprint");
  manifest.job_text = reader.String("job_text");
  manifest.stage = static_cast<uint32_t>(reader.Number("stage", kU32));
  manifest.stage_name = reader.String("stage_name");
  manifest.next_step = reader.Number("next_step");
  manifest.stage_done = reader.Bool("stage_done");
  manifest.world_size =
      static_cast<uint32_t>(reader.Number("world_size", kU32));
  manifest.dtype = reader.String("dtype");
  manifest.weights_checksum = reader.Hash("weights_checksum");
  manifest.previous_checksum = reader.Hash("previous_checksum");
  manifest.chain = reader.Hash("chain");
  manifest.num_tokens = reader.Number("num_tokens");
  const json* parts = reader.Find("parts");
  const Hash128 self = reader.Hash(kSelf);
  AHA_RETURN_IF_ERROR(reader.Finish());
  AHA_ASSIGN_OR_RETURN(manifest.parts, ReadParts(*parts, path));
  if (const Hash128 found = SelfHash(*root); found != self) {
    return absl::DataLossError(absl::StrCat(path, " must have checksum ",
                                            self.Hex(), ", has ", found.Hex(),
                                            ": its content was changed"));
  }
  return manifest;
}

absl::StatusOr<ManifestPart> MeasurePart(const std::string& directory,
                                         const std::string& path) {
  AHA_ASSIGN_OR_RETURN(FileReader file,
                       FileReader::Open(absl::StrCat(directory, "/", path)));
  Hasher hasher;
  std::string piece;
  for (uint64_t left = file.size(); left > 0; left -= piece.size()) {
    piece.resize(std::min<uint64_t>(left, kPiece));
    AHA_RETURN_IF_ERROR(file.Read(piece.data(), piece.size()));
    hasher.Raw(piece.data(), piece.size());
  }
  return ManifestPart{path, file.size(), hasher.Finish()};
}

absl::Status VerifyParts(const std::string& directory,
                         const Manifest& manifest) {
  for (const ManifestPart& part : manifest.parts) {
    absl::StatusOr<ManifestPart> found = MeasurePart(directory, part.path);
    if (!found.ok()) {
      return absl::DataLossError(absl::StrCat("checkpoint part is unreadable: ",
                                              found.status().message()));
    }
    if (found->bytes != part.bytes) {
      return absl::DataLossError(
          absl::StrCat(directory, "/", part.path, " must be ", part.bytes,
                       " bytes long (manifest.json), is ", found->bytes));
    }
    if (found->checksum != part.checksum) {
      return absl::DataLossError(
          absl::StrCat(directory, "/", part.path, " must have checksum ",
                       part.checksum.Hex(), " (manifest.json), has ",
                       found->checksum.Hex(), ": its content was changed"));
    }
  }
  return absl::OkStatus();
}

absl::Status WriteManifest(const std::string& directory,
                           const Manifest& manifest) {
  json object = ToJson(manifest);
  // What cannot be written as UTF-8 must not be in the hash either.
  object = json::parse(TextOf(object));
  object[kSelf] = SelfHash(object).Hex();
  return WriteFileDurably(absl::StrCat(directory, "/", kManifestFile),
                          TextOf(object) + "\n");
}

}  // namespace aha
