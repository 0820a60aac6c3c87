// SQLite: write-ahead log, synchronous=NORMAL, one transaction per change.
//
// One connection under a mutex serves all sessions, with locking_mode=EXCLUSIVE: like the other
// engines here it then belongs to one process, which spares it the system calls for locks, half of
// a read's time and a third of a change's. A connection per thread, which needs them, makes no
// difference to two reading threads at 20,000 keys and a fifth at a million.
#include <sqlite3.h>

#include <mutex>

#include "bench/engine/adapter.h"

namespace holt::bench {
namespace {

[[noreturn]] void fail_with(sqlite3* db) {
  throw std::runtime_error(std::string("sqlite: ") + sqlite3_errmsg(db));
}

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;

class Statement {
 public:
  Statement(sqlite3* db, const char* sql) : db_(db) {
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) !=
        SQLITE_OK) {
      fail_with(db);
    }
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  // The bytes must stay where they are until reset().
  void bind(int at, std::string_view bytes) {
    sqlite3_bind_blob(statement_, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
  }
  void bind(int at, std::int64_t number) { sqlite3_bind_int64(statement_, at, number); }

  bool step() {
    const int rc = sqlite3_step(statement_);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) fail_with(db_);
    return rc == SQLITE_ROW;
  }
  std::string_view column(int at) const {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, at));
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, at))};
  }
  void reset() { sqlite3_reset(statement_); }
  void run() {
    step();
    reset();
  }

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

void execute(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail_with(db);
}

Db open_db(const std::string& path) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int rc = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Db db(raw);
  if (rc != SQLITE_OK) fail_with(raw);
  execute(raw, "PRAGMA locking_mode=EXCLUSIVE");  // before WAL: the log's index stays in the heap
  execute(raw, "PRAGMA journal_mode=WAL");
  execute(raw, "PRAGMA synchronous=NORMAL");
  execute(raw, "PRAGMA cache_size=-262144");
  execute(raw, "PRAGMA wal_autocheckpoint=16384");  // 64 MiB of log, as holt has
  return db;
}

struct Connection {
  explicit Connection(const std::string& path) : db(open_db(path)) {
    execute(db.get(), "CREATE TABLE IF NOT EXISTS t(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
    const auto prepare = [this](std::optional<Statement>& statement, const char* sql) {
      statement.emplace(db.get(), sql);
    };
    prepare(get, "SELECT v FROM t WHERE k = ?1");
    prepare(put, "INSERT INTO t VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v");
    prepare(insert, "INSERT INTO t VALUES(?1, ?2)");
    prepare(erase, "DELETE FROM t WHERE k = ?1");
    prepare(from, "SELECT k, v FROM t WHERE k >= ?1 AND k < ?2 LIMIT ?3");
    prepare(after, "SELECT k, v FROM t WHERE k > ?1 AND k < ?2 LIMIT ?3");
    prepare(next, "SELECT k FROM t WHERE k >= ?1 AND k < ?2 LIMIT 1");
    prepare(move, "UPDATE t SET k = CAST(?1 || substr(k, ?2) AS BLOB) WHERE k >= ?3 AND k < ?4");
  }

  std::mutex mutex;
  Db db;
  std::optional<Statement> get, put, insert, erase, from, after, next, move;
};

class SqliteSession final : public Session {
 public:
  explicit SqliteSession(Connection& connection) : c_(connection) {}

  std::optional<std::size_t> get(std::string_view key, std::span<char> out) override {
    const std::scoped_lock lock(c_.mutex);
    c_.get->bind(1, key);
    std::optional<std::size_t> size;
    if (c_.get->step()) {
      const std::string_view value = c_.get->column(0);
      std::memcpy(out.data(), value.data(), value.size());
      size = value.size();
    }
    c_.get->reset();
    return size;
  }

  void put(std::string_view key, std::string_view value) override { write(*c_.put, key, value); }
  void insert(std::string_view key, std::string_view value) override {
    write(*c_.insert, key, value);
  }
  void erase(std::string_view key) override {
    const std::scoped_lock lock(c_.mutex);
    c_.erase->bind(1, key);
    c_.erase->run();
  }

  void scan(std::string_view prefix, std::string_view after, std::size_t limit,
            Tally& tally) override {
    const std::scoped_lock lock(c_.mutex);
    Statement& statement = after.empty() ? *c_.from : *c_.after;
    const std::string end = end_of_prefix(prefix);
    statement.bind(1, after.empty() ? prefix : after);
    statement.bind(2, std::string_view(end));
    statement.bind(3, limit == kNoLimit ? -1 : static_cast<std::int64_t>(limit));
    while (statement.step()) tally.add(statement.column(0), statement.column(1));
    statement.reset();
  }

  std::size_t count_subdirectories(std::string_view prefix) override {
    const std::scoped_lock lock(c_.mutex);
    const std::string end = end_of_prefix(prefix);
    std::string past(prefix);
    c_.next->bind(2, std::string_view(end));
    execute(c_.db.get(), "BEGIN");  // one snapshot, and locks taken once
    std::size_t count = 0;
    for (;;) {
      c_.next->bind(1, std::string_view(past));
      if (!c_.next->step()) break;
      const std::string_view key = c_.next->column(0);
      const std::size_t slash = key.find('/', prefix.size());
      past.assign(key.substr(0, slash));
      past.push_back(slash == std::string_view::npos ? '\0' : kAfterSlash);
      count += slash == std::string_view::npos ? 0 : 1;
      c_.next->reset();
    }
    c_.next->reset();
    execute(c_.db.get(), "COMMIT");
    return count;
  }

  void move_subtree(std::string_view from, std::string_view to) override {
    const std::scoped_lock lock(c_.mutex);
    const std::string end = end_of_prefix(from);
    c_.move->bind(1, to);
    c_.move->bind(2, static_cast<std::int64_t>(from.size() + 1));
    c_.move->bind(3, from);
    c_.move->bind(4, std::string_view(end));
    c_.move->run();
  }

 private:
  void write(Statement& statement, std::string_view key, std::string_view value) {
    const std::scoped_lock lock(c_.mutex);
    statement.bind(1, key);
    statement.bind(2, value);
    statement.run();
  }

  Connection& c_;
};

class SqliteAdapter final : public Adapter {
 public:
  std::string version() const override { return sqlite3_libversion(); }
  std::string settings() const override {
    return "WAL of 64 MiB, synchronous=NORMAL, locking_mode=EXCLUSIVE, WITHOUT ROWID, cache 256 "
           "MiB, "
           "one transaction per change";
  }

  void open(const std::string& directory) override {
    connection_ = std::make_unique<Connection>(directory + "/db");
  }

  std::unique_ptr<Session> session() override {
    return std::make_unique<SqliteSession>(*connection_);
  }

  void close() override {
    execute(connection_->db.get(), "PRAGMA wal_checkpoint(TRUNCATE)");
    connection_.reset();
  }

 private:
  std::unique_ptr<Connection> connection_;
};

}  // namespace

std::unique_ptr<Adapter> make_sqlite_adapter() { return std::make_unique<SqliteAdapter>(); }

}  // namespace holt::bench
