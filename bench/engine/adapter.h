// One engine as the driver sees it. The driver is the same for all engines; whatever an engine
// needs to be used well (prepared statements, reused transactions, write batches) is its adapter's
// business.
//
// Errors: an adapter throws std::runtime_error, which ends the run.
// Thread safety: an Adapter is used by the main thread, a Session by one thread at a time; sessions
// of one adapter run at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/engine/keyspace.h"

namespace holt::bench {

inline constexpr std::size_t kNoLimit = ~std::size_t{0};

class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  // Copies the value to `out`, which is large enough; its size, or nothing when there is no such
  // key.
  virtual std::optional<std::size_t> get(std::string_view key, std::span<char> out) = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  // The key is known to be absent, or present; an engine need not check it where it does not
  // anyway.
  virtual void insert(std::string_view key, std::string_view value) = 0;
  virtual void erase(std::string_view key) = 0;
  // The first `limit` entries that begin with `prefix` and are greater than `after` (empty: all).
  virtual void scan(std::string_view prefix, std::string_view after, std::size_t limit,
                    Tally& tally) = 0;
  // How many distinct components ending with '/' follow `prefix`, visiting nothing below them.
  virtual std::size_t count_subdirectories(std::string_view prefix) = 0;
  // Every key that begins with `from` begins with `to` afterwards, in one atomic step.
  virtual void move_subtree(std::string_view from, std::string_view to) = 0;
};

class Adapter {
 public:
  Adapter() = default;
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;
  virtual ~Adapter() = default;

  virtual std::string version() const = 0;
  // Settings that matter, for the report.
  virtual std::string settings() const = 0;
  virtual void open(const std::string& directory) = 0;
  // REQUIRES: open; every session is gone before close().
  virtual std::unique_ptr<Session> session() = 0;
  // Returns when background work that was left to do is done, so that the next engine does not pay.
  virtual void settle() {}
  // What the files hold for the log alone, of a store that is open.
  virtual std::uint64_t log_bytes() const { return 0; }
  // Afterwards everything is durable.
  virtual void close() = 0;
};

// "holt", "lmdb", "rocksdb", "sqlite".
std::span<const std::string_view> adapter_names();
std::unique_ptr<Adapter> make_adapter(std::string_view name);

std::unique_ptr<Adapter> make_holt_adapter();
std::unique_ptr<Adapter> make_lmdb_adapter();
std::unique_ptr<Adapter> make_rocksdb_adapter();
std::unique_ptr<Adapter> make_sqlite_adapter();

// The byte after the delimiter: where a search goes on that has to pass by a directory's contents.
inline constexpr char kAfterSlash = '/' + 1;

// The smallest string greater than all strings that begin with `prefix`.
// REQUIRES: prefix is not empty and does not end with the byte 255.
inline std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace holt::bench
