// RocksDB: the write-ahead log on, no sync per write.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "bench/engine/adapter.h"

namespace holt::bench {
namespace {

constexpr std::size_t kWriteBufferBytes = std::size_t{64} << 20;
constexpr std::size_t kBlockCacheBytes = std::size_t{256} << 20;
constexpr double kBloomBitsPerKey = 10;

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("rocksdb: " + status.ToString());
}

rocksdb::Slice to_slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view to_view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

class RocksdbSession final : public Session {
 public:
  explicit RocksdbSession(rocksdb::DB& db) : db_(db) {}

  std::optional<std::size_t> get(std::string_view key, std::span<char> out) override {
    value_.Reset();
    const auto status =
        db_.Get(rocksdb::ReadOptions(), db_.DefaultColumnFamily(), to_slice(key), &value_);
    if (status.IsNotFound()) return std::nullopt;
    check(status);
    std::memcpy(out.data(), value_.data(), value_.size());
    return value_.size();
  }

  void put(std::string_view key, std::string_view value) override {
    check(db_.Put(rocksdb::WriteOptions(), to_slice(key), to_slice(value)));
  }

  // Not checked for existence: that would cost RocksDB a read that it does not need here.
  void insert(std::string_view key, std::string_view value) override { put(key, value); }

  void erase(std::string_view key) override {
    check(db_.Delete(rocksdb::WriteOptions(), to_slice(key)));
  }

  void scan(std::string_view prefix, std::string_view after, std::size_t limit,
            Tally& tally) override {
    const Range range(db_, prefix);
    rocksdb::Iterator& it = *range.iterator;
    it.Seek(to_slice(after.empty() ? prefix : after));
    if (it.Valid() && !after.empty() && to_view(it.key()) == after) it.Next();
    for (; limit-- > 0 && it.Valid(); it.Next()) tally.add(to_view(it.key()), to_view(it.value()));
    check(it.status());
  }

  std::size_t count_subdirectories(std::string_view prefix) override {
    const Range range(db_, prefix);
    rocksdb::Iterator& it = *range.iterator;
    std::size_t count = 0;
    std::string past;
    it.Seek(to_slice(prefix));
    while (it.Valid()) {
      const std::size_t slash = to_view(it.key()).find('/', prefix.size());
      if (slash == std::string_view::npos) {
        it.Next();
        continue;
      }
      ++count;
      past.assign(to_view(it.key()).substr(0, slash));
      past.push_back(kAfterSlash);
      it.Seek(past);
    }
    check(it.status());
    return count;
  }

  void move_subtree(std::string_view from, std::string_view to) override {
    rocksdb::WriteBatch batch;
    const Range range(db_, from);
    rocksdb::Iterator& it = *range.iterator;
    std::string key;
    for (it.Seek(to_slice(from)); it.Valid(); it.Next()) {
      key.assign(to);
      key.append(to_view(it.key()).substr(from.size()));
      check(batch.Put(key, it.value()));
    }
    check(it.status());
    // Half the time of deleting key by key.
    check(batch.DeleteRange(to_slice(from), range.end_slice));
    check(db_.Write(rocksdb::WriteOptions(), &batch));
  }

 private:
  // An iterator that ends with the prefix, so that it never wades through tombstones behind it.
  struct Range {
    Range(rocksdb::DB& db, std::string_view prefix) : end(end_of_prefix(prefix)), end_slice(end) {
      rocksdb::ReadOptions options;
      options.iterate_upper_bound = &end_slice;
      iterator.reset(db.NewIterator(options));
    }
    std::string end;
    rocksdb::Slice end_slice;
    std::unique_ptr<rocksdb::Iterator> iterator;
  };

  rocksdb::DB& db_;
  rocksdb::PinnableSlice value_;
};

class RocksdbAdapter final : public Adapter {
 public:
  std::string version() const override { return rocksdb::GetRocksVersionAsString(); }
  std::string settings() const override {
    return "log on, sync=false, 64 MiB write buffers, bloom filters of 10 bits, block cache "
           "256 MiB, no compression";
  }

  void open(const std::string& directory) override {
    directory_ = directory;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = kWriteBufferBytes;
    options.compression = rocksdb::kNoCompression;
    options.bottommost_compression = rocksdb::kNoCompression;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    check(rocksdb::DB::Open(options, directory, &db));
    db_.reset(db);
  }

  std::unique_ptr<Session> session() override { return std::make_unique<RocksdbSession>(*db_); }

  void settle() override {
    for (const auto* name : {&rocksdb::DB::Properties::kMemTableFlushPending,
                             &rocksdb::DB::Properties::kNumRunningFlushes,
                             &rocksdb::DB::Properties::kCompactionPending,
                             &rocksdb::DB::Properties::kNumRunningCompactions}) {
      std::uint64_t pending = 1;
      while (db_->GetIntProperty(*name, &pending) && pending != 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
  }

  std::uint64_t log_bytes() const override {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.path().extension() == ".log") bytes += entry.file_size();
    }
    return bytes;
  }

  void close() override {
    check(db_->SyncWAL());
    check(db_->Close());
    db_.reset();
  }

 private:
  std::string directory_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Adapter> make_rocksdb_adapter() { return std::make_unique<RocksdbAdapter>(); }

}  // namespace holt::bench
