// SQLite statements with absl::Status in place of result codes, as StateStore
// uses them.  Internal to coordinator/.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/handle.h"

namespace aha::coordinator {

// " (1234 bytes are free there)", or "" if the system does not say.
inline std::string RoomOf(const std::string& path) {
  std::error_code error;
  const std::filesystem::space_info room = std::filesystem::space(path, error);
  return error ? ""
               : absl::StrCat(" (", room.available, " bytes are free there)");
}

// UNAVAILABLE where trying again may help (disk full, busy).
inline absl::Status FromSqlite(sqlite3* db, int code, const std::string& what) {
  const int error = sqlite3_system_errno(db);
  const char* const file =
      db == nullptr ? nullptr : sqlite3_db_filename(db, "main");
  const std::string path = file == nullptr ? "coordinator.db" : file;
  const std::string text = absl::StrCat(
      path, ": ", what, ": ", sqlite3_errmsg(db),
      error == 0 ? "" : " (" + std::generic_category().message(error) + ")");
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
      // On most volumes that are full, SQLite reports "disk I/O error".
      return absl::UnavailableError(absl::StrCat(text, RoomOf(path)));
    case SQLITE_BUSY:
      return absl::UnavailableError(text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    default:
      return absl::InternalError(text);
  }
}

// One prepared statement: Bind in order, then Step until it returns false.
class Statement {
 public:
  static absl::StatusOr<Statement> Prepare(sqlite3* db, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v2(db, sql, -1, &raw, nullptr);
    if (code != SQLITE_OK) return FromSqlite(db, code, sql);
    return Statement(db, raw);
  }

  Statement& Bind(int64_t value) {
    sqlite3_bind_int64(handle_.get(), ++bound_, value);
    return *this;
  }
  Statement& Bind(uint64_t value) { return Bind(static_cast<int64_t>(value)); }
  Statement& Bind(uint32_t value) { return Bind(static_cast<int64_t>(value)); }
  Statement& Bind(double value) {
    sqlite3_bind_double(handle_.get(), ++bound_, value);
    return *this;
  }
  Statement& Bind(const std::string& text) {
    sqlite3_bind_text(handle_.get(), ++bound_, text.data(),
                      static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }

  // True: a row is there.  False: done.
  absl::StatusOr<bool> Step() {
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return FromSqlite(db_, code, sqlite3_sql(handle_.get()));
  }
  absl::Status Run() { return Step().status(); }

  uint64_t Number(int column) {
    return static_cast<uint64_t>(sqlite3_column_int64(handle_.get(), column));
  }
  double Real(int column) {
    return sqlite3_column_double(handle_.get(), column);
  }
  std::string Text(int column) {
    const auto* text = reinterpret_cast<const char*>(
        sqlite3_column_text(handle_.get(), column));
    const int size = sqlite3_column_bytes(handle_.get(), column);
    return text == nullptr ? "" : std::string(text, static_cast<size_t>(size));
  }

 private:
  Statement(sqlite3* db, sqlite3_stmt* raw) : db_(db), handle_(raw) {}

  sqlite3* db_;
  Handle<sqlite3_stmt, sqlite3_finalize> handle_;
  int bound_ = 0;
};

}  // namespace aha::coordinator
