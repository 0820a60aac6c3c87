// holt: the log on, no sync per operation.
#include <algorithm>
#include <chrono>
#include <thread>

#include "bench/engine/adapter.h"
#include "engine/holt.h"

namespace holt::bench {
namespace {

constexpr std::uint64_t kCacheBytes = 512u << 20;

[[noreturn]] void fail_with(const Error& error) {
  throw std::runtime_error("holt: " + error.to_string());
}

template <class T>
T value_of(Result<T>&& result) {
  if (!result) fail_with(result.error());
  return *std::move(result);
}

void check(const Result<void>& result) {
  if (!result) fail_with(result.error());
}

class HoltSession final : public Session {
 public:
  explicit HoltSession(Store& store) : store_(store) {}

  std::optional<std::size_t> get(std::string_view key, std::span<char> out) override {
    const auto size = store_.get(key, out);
    if (size) return *size;
    if (size.error().code() == Code::kNotFound) return std::nullopt;
    fail_with(size.error());
  }

  void put(std::string_view key, std::string_view value) override {
    value_of(store_.put(key, value));
  }

  void insert(std::string_view key, std::string_view value) override {
    batch_.clear();
    batch_.insert(key, value);
    value_of(store_.apply(batch_));
  }

  void erase(std::string_view key) override { value_of(store_.erase(key)); }

  void scan(std::string_view prefix, std::string_view after, std::size_t limit,
            Tally& tally) override {
    ScanOptions options;
    options.prefix = prefix;
    options.after = after;
    options.chunk = std::min(limit, options.chunk);
    Cursor cursor = store_.scan(options);
    for (std::size_t i = 0; i < limit && value_of(cursor.next()); ++i) {
      tally.add(cursor.key(), cursor.value());
    }
  }

  std::size_t count_subdirectories(std::string_view prefix) override {
    ScanOptions options;
    options.prefix = prefix;
    options.delimiter = '/';
    options.values = false;
    Cursor cursor = store_.scan(options);
    std::size_t count = 0;
    while (value_of(cursor.next())) count += cursor.rolled_up() ? 1 : 0;
    return count;
  }

  void move_subtree(std::string_view from, std::string_view to) override {
    batch_.clear();
    batch_.move(from, to);
    value_of(store_.apply(batch_));
  }

 private:
  Store& store_;
  Batch batch_;
};

class HoltAdapter final : public Adapter {
 public:
  std::string version() const override { return "this tree"; }
  std::string settings() const override {
    return "log on, synced every 5 s by a timer, cache 512 MiB, log 64 MiB";
  }

  void open(const std::string& directory) override {
    Options options;
    options.cache_bytes = kCacheBytes;
    store_ = value_of(Store::open(directory, options));
  }

  std::unique_ptr<Session> session() override { return std::make_unique<HoltSession>(*store_); }

  // There is no call that waits for checkpoints and merges; quiet counters tell as much.
  void settle() override {
    const auto progress = [this] {
      const Stats stats = store_->stats();
      return stats.blob_writes + stats.checkpoints + stats.merges + stats.compactions;
    };
    for (std::uint64_t quiet = 0, last = progress(); quiet < 3;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const std::uint64_t now = progress();
      quiet = now == last ? quiet + 1 : 0;
      last = now;
    }
  }

  std::uint64_t log_bytes() const override { return store_->stats().log_capacity; }

  void close() override {
    check(store_->close());
    store_.reset();
  }

 private:
  std::unique_ptr<Store> store_;
};

}  // namespace

std::unique_ptr<Adapter> make_holt_adapter() { return std::make_unique<HoltAdapter>(); }

}  // namespace holt::bench
