// LMDB: writes go straight into the mapped file, nothing is synced before close; one transaction
// per change. A read transaction is renewed for each read, which costs less than a new one.
#include <lmdb.h>

#include <utility>

#include "bench/engine/adapter.h"

namespace holt::bench {
namespace {

constexpr std::size_t kMapBytes = std::size_t{16} << 30;  // address space; the file is sparse

void check(int rc) {
  if (rc != MDB_SUCCESS) throw std::runtime_error(std::string("lmdb: ") + mdb_strerror(rc));
}

MDB_val to_val(std::string_view bytes) {
  // LMDB does not write through the pointers it is given.
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view to_view(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

// Commits unless an exception got in the way.
class WriteTxn {
 public:
  explicit WriteTxn(MDB_env* env) { check(mdb_txn_begin(env, nullptr, 0, &txn_)); }
  WriteTxn(const WriteTxn&) = delete;
  WriteTxn& operator=(const WriteTxn&) = delete;
  ~WriteTxn() {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }
  MDB_txn* get() const { return txn_; }
  void commit() { check(mdb_txn_commit(std::exchange(txn_, nullptr))); }

 private:
  MDB_txn* txn_ = nullptr;
};

class LmdbSession final : public Session {
 public:
  LmdbSession(MDB_env* env, MDB_dbi dbi) : env_(env), dbi_(dbi) {
    check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &reader_));
    check(mdb_cursor_open(reader_, dbi, &cursor_));
    mdb_txn_reset(reader_);
  }
  ~LmdbSession() override {
    mdb_cursor_close(cursor_);
    mdb_txn_abort(reader_);
  }

  std::optional<std::size_t> get(std::string_view key, std::span<char> out) override {
    check(mdb_txn_renew(reader_));
    MDB_val k = to_val(key);
    MDB_val v;
    const int rc = mdb_get(reader_, dbi_, &k, &v);
    if (rc == MDB_SUCCESS) std::memcpy(out.data(), v.mv_data, v.mv_size);
    mdb_txn_reset(reader_);
    if (rc == MDB_NOTFOUND) return std::nullopt;
    check(rc);
    return v.mv_size;
  }

  void put(std::string_view key, std::string_view value) override { put(key, value, 0); }
  void insert(std::string_view key, std::string_view value) override {
    put(key, value, MDB_NOOVERWRITE);
  }

  void erase(std::string_view key) override {
    WriteTxn txn(env_);
    MDB_val k = to_val(key);
    check(mdb_del(txn.get(), dbi_, &k, nullptr));
    txn.commit();
  }

  void scan(std::string_view prefix, std::string_view after, std::size_t limit,
            Tally& tally) override {
    begin_read();
    MDB_val k = to_val(after.empty() ? prefix : after);
    MDB_val v;
    int rc = mdb_cursor_get(cursor_, &k, &v, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS && !after.empty() && to_view(k) == after) {
      rc = mdb_cursor_get(cursor_, &k, &v, MDB_NEXT);
    }
    while (rc == MDB_SUCCESS && limit-- > 0 && to_view(k).starts_with(prefix)) {
      tally.add(to_view(k), to_view(v));
      rc = mdb_cursor_get(cursor_, &k, &v, MDB_NEXT);
    }
    mdb_txn_reset(reader_);
    if (rc != MDB_NOTFOUND) check(rc);
  }

  std::size_t count_subdirectories(std::string_view prefix) override {
    begin_read();
    std::size_t count = 0;
    std::string past(prefix);
    MDB_val k = to_val(prefix);
    MDB_val v;
    int rc = mdb_cursor_get(cursor_, &k, &v, MDB_SET_RANGE);
    while (rc == MDB_SUCCESS && to_view(k).starts_with(prefix)) {
      const std::size_t slash = to_view(k).find('/', prefix.size());
      if (slash == std::string_view::npos) {
        rc = mdb_cursor_get(cursor_, &k, &v, MDB_NEXT);
        continue;
      }
      ++count;
      past.assign(to_view(k).substr(0, slash));
      past.push_back(kAfterSlash);
      k = to_val(past);
      rc = mdb_cursor_get(cursor_, &k, &v, MDB_SET_RANGE);
    }
    mdb_txn_reset(reader_);
    if (rc != MDB_NOTFOUND) check(rc);
    return count;
  }

  void move_subtree(std::string_view from, std::string_view to) override {
    WriteTxn txn(env_);
    MDB_cursor* cursor;
    check(mdb_cursor_open(txn.get(), dbi_, &cursor));
    std::string moved;  // new keys and values, one after the other
    std::vector<std::pair<std::size_t, std::size_t>> sizes;
    MDB_val k = to_val(from);
    MDB_val v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (rc == MDB_SUCCESS && to_view(k).starts_with(from)) {
      const std::size_t before = moved.size();
      moved.append(to).append(to_view(k).substr(from.size()));
      sizes.emplace_back(moved.size() - before, v.mv_size);
      moved.append(to_view(v));
      check(mdb_cursor_del(cursor, 0));
      rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (rc != MDB_NOTFOUND) check(rc);
    std::string_view rest = moved;
    for (const auto& [key_size, value_size] : sizes) {
      MDB_val new_key = to_val(rest.substr(0, key_size));
      MDB_val new_value = to_val(rest.substr(key_size, value_size));
      check(mdb_cursor_put(cursor, &new_key, &new_value, MDB_NOOVERWRITE));
      rest.remove_prefix(key_size + value_size);
    }
    mdb_cursor_close(cursor);
    txn.commit();
  }

 private:
  void begin_read() {
    check(mdb_txn_renew(reader_));
    check(mdb_cursor_renew(reader_, cursor_));
  }

  void put(std::string_view key, std::string_view value, unsigned flags) {
    WriteTxn txn(env_);
    MDB_val k = to_val(key);
    MDB_val v = to_val(value);
    check(mdb_put(txn.get(), dbi_, &k, &v, flags));
    txn.commit();
  }

  MDB_env* env_;
  MDB_dbi dbi_;
  MDB_txn* reader_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
};

class LmdbAdapter final : public Adapter {
 public:
  ~LmdbAdapter() override { mdb_env_close(env_); }

  std::string version() const override { return mdb_version(nullptr, nullptr, nullptr); }
  std::string settings() const override {
    return "MDB_WRITEMAP, MDB_NOSYNC, one transaction per change";
  }

  void open(const std::string& directory) override {
    check(mdb_env_create(&env_));
    check(mdb_env_set_mapsize(env_, kMapBytes));
    // MDB_NOTLS: a reader belongs to its session instead of its thread.
    check(mdb_env_open(env_, directory.c_str(), MDB_WRITEMAP | MDB_NOSYNC | MDB_NOTLS, 0644));
    WriteTxn txn(env_);
    check(mdb_dbi_open(txn.get(), nullptr, 0, &dbi_));
    txn.commit();
  }

  std::unique_ptr<Session> session() override { return std::make_unique<LmdbSession>(env_, dbi_); }

  void close() override {
    check(mdb_env_sync(env_, 1));
    mdb_env_close(std::exchange(env_, nullptr));
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

}  // namespace

std::unique_ptr<Adapter> make_lmdb_adapter() { return std::make_unique<LmdbAdapter>(); }

}  // namespace holt::bench
