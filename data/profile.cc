#include "data/profile.h"

#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "data/row_reader.h"

namespace aha {
namespace {

absl::Status AddKeys(const std::string& path, uint64_t* bytes,
                     DataProfile* profile) {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<RowReader> reader,
                       OpenRows(path, kMaxDataBytes, bytes));
  while (true) {
    AHA_ASSIGN_OR_RETURN(const std::optional<Row> row, reader->Next());
    if (!row.has_value()) return absl::OkStatus();
    ++profile->rows;
    if (!row->value.ok()) continue;
    for (const auto& [key, value] : row->value->items()) {
      KeyProfile& seen = profile->keys[key];
      ++seen.rows;
      ++seen.types[value.type_name()];
    }
  }
}

}  // namespace

absl::StatusOr<DataProfile> ProfileData(PromptFileOptions options) {
  options.skip_bad_rows = true;
  DataProfile profile;
  AHA_ASSIGN_OR_RETURN(profile.files, ListDataFiles(options.paths));
  uint64_t bytes = 0;
  for (const DataFile& file : profile.files) {
    const absl::Status status = AddKeys(file.path, &bytes, &profile);
    // The second reading names the file in its error.
    if (!status.ok()) return LoadPrompts(options).status();
  }
  profile.prompts = LoadPrompts(options);
  if (!profile.prompts.ok()) return profile;
  std::unordered_set<std::string> texts;
  for (const PromptRecord& record : profile.prompts->records) {
    profile.duplicates += !texts.insert(record.prompt).second;
  }
  return profile;
}

}  // namespace aha
