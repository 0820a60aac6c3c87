// holt: an embedded, ordered, persistent key-value store built on one adaptive radix tree.
//
// Any byte string is a key, one that is a prefix of another included. Beside point operations the
// store knows prefixes: a scan can roll subtrees up at a delimiter without visiting them, a subtree
// is moved or erased in O(depth) whatever the number of keys in it.
//
// Durability. apply() returns once the batch is in the log's memory-mapped ring: it survives the
// death of the process. It survives the death of the machine after sync(lsn) returned, or after
// Options::commit_interval_ms at the latest. After a crash the store holds a prefix of the history
// of batches that contains everything synced.
//
// Errors. When apply() returns an error nothing was applied. A sync that fails poisons the log: the
// store answers reads and refuses changes with kReadOnly until it is opened anew.
//
// Thread safety: Store may be used by any number of threads at once. Batch and Cursor belong to one
// thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/result.h"
#include "engine/base/types.h"

namespace holt {

class Storage;

struct Options {
  std::uint64_t cache_bytes = 256u << 20;  // memory for blob frames; at least kMinCacheBytes
  std::uint64_t wal_bytes = 64u << 20;     // log ring, fixed when made; 1 MiB to 16 GiB
  // Longest time until an applied batch is synced; 0: only sync() and checkpoints do it.
  std::uint32_t commit_interval_ms = 5000;
  bool create_if_missing = true;
  // Called once, by any thread, when the log failed and the store turned read-only. It must neither
  // block nor call the store.
  std::function<void(const Error&)> on_poison = {};
  bool error_if_exists = false;  // kExists when there is a store already; it is left as it is
  bool read_only = false;        // nothing on disk is changed; the log's tail is replayed in memory
};

// Whether a call may wait for a read from disk, or answers kWouldBlock instead.
enum class Wait : std::uint8_t { kYes, kNo };

// A list of changes, applied all or not at all, in the order given. Keys and values are copied.
//
// A batch is refused with kInvalid when a step builds on an earlier one in a way that cannot be
// checked beforehand: a patch or add of a key that an earlier step put, erased or moved; a put,
// patch, add or erase below a prefix that an earlier step moved; a move of or onto a prefix below
// which an earlier step put or erased a key. Moves may follow each other when they name the same
// prefixes (a swap is three of them).
class Batch {
 public:
  enum class Op : std::uint8_t {
    kPut = 1,     // key, value
    kPatch,       // key, offset, bytes
    kAdd,         // key, offset, delta: a 64-bit little-endian counter inside the value
    kErase,       // key
    kMove,        // prefix, new prefix
    kErasePrefix  // prefix
  };

  // put: the key holds `value` afterwards.
  void put(std::string_view key, std::string_view value);
  // insert: kExists when the key exists already.
  void insert(std::string_view key, std::string_view value);
  // replace: kNotFound when the key does not exist.
  void replace(std::string_view key, std::string_view value);
  // patch: overwrites part of an existing value. kNotFound; kInvalid when it reaches beyond the
  // end.
  void patch(std::string_view key, std::uint32_t offset, std::string_view bytes);
  // add: adds to the 64-bit little-endian integer at `offset`, modulo 2^64. Errors as patch.
  void add(std::string_view key, std::uint32_t offset, std::int64_t delta);
  // erase: kNotFound when the key does not exist.
  void erase(std::string_view key);
  // erase_if_present: no error when the key does not exist.
  void erase_if_present(std::string_view key);
  // move: every key that begins with `from` begins with `to` afterwards. kNotFound when there is
  // none; kExists when a key begins with `to` already; kInvalid when one prefix begins with the
  // other.
  void move(std::string_view from, std::string_view to);
  // erase_prefix: every key that begins with `prefix` is gone; no error when there is none.
  void erase_prefix(std::string_view prefix);

  // Preconditions, checked before anything is applied, against the state before the batch.
  void require(std::string_view key);         // kPrecondition unless the key exists
  void require_absent(std::string_view key);  // kPrecondition if it does
  // kPrecondition unless the key exists and its value holds `bytes` at `offset`.
  void require_bytes(std::string_view key, std::uint32_t offset, std::string_view bytes);
  // kPrecondition unless the key exists and its whole value is `value`.
  void require_value(std::string_view key, std::string_view value);

  bool empty() const { return steps_.empty(); }
  std::size_t size() const { return steps_.size(); }
  void clear();  // keeps the memory, for the next batch

  // For the engine: one step, with its bytes inside payload().
  enum class Expect : std::uint8_t { kNothing, kPresent, kAbsent };
  enum class Kind : std::uint8_t { kChange, kBytes, kValue, kPresence };
  struct Step {
    Op op;                 // kChange only
    Kind kind;             // a change, or what is compared
    Expect expect;         // checked before the batch
    std::uint32_t offset;  // kPatch, kAdd, kBytes
    std::uint32_t key_at, key_size;
    std::uint32_t data_at, data_size;  // value, bytes, new prefix, or the eight bytes of a delta

    bool is_change() const { return kind == Kind::kChange; }
    bool is_move() const { return is_change() && op == Op::kMove; }
    // Works on a whole subtree.
    bool is_structural() const { return is_move() || (is_change() && op == Op::kErasePrefix); }
    // Changes part of a value, where it lies.
    bool is_patch() const { return is_change() && (op == Op::kPatch || op == Op::kAdd); }
  };
  const std::vector<Step>& steps() const { return steps_; }
  std::string_view payload() const { return payload_; }  // the log record's body: all changes
  std::string_view key(const Step& step) const { return bytes(step, step.key_at, step.key_size); }
  std::string_view data(const Step& step) const {
    return bytes(step, step.data_at, step.data_size);
  }
  // Rebuilds a batch from a log record's body. kCorrupt when it cannot be read.
  Result<void> parse(std::string_view payload);

 private:
  void change(Op op, Expect expect, std::string_view key, std::uint32_t offset,
              std::string_view data);
  void condition(Kind kind, Expect expect, std::string_view key, std::uint32_t offset,
                 std::string_view data);
  std::string_view bytes(const Step& step, std::uint32_t at, std::uint32_t size) const {
    return std::string_view(step.is_change() ? payload_ : conditions_).substr(at, size);
  }

  std::vector<Step> steps_;
  std::string payload_;
  std::string conditions_;
};

struct ScanOptions {
  std::string_view prefix;  // only keys that begin with it
  // Only keys greater than `after` (a whole key). With `after_subtree`, only keys greater than
  // every key that begins with `after`. Empty and no flag: from the first key on.
  std::string_view after;
  bool after_subtree = false;
  // Keys whose remainder after the prefix holds this byte are given as one rolled-up entry per
  // distinct component, ending with the delimiter; what lies under it is not visited.
  std::optional<char> delimiter;
  bool values = true;       // false: keys only
  std::size_t chunk = 128;  // entries fetched at a time
  Wait wait = Wait::kYes;
};

namespace internal {
class ScanState;
}

// Walks keys in bytewise order. It sees every key that exists during the whole scan, once; keys
// added or removed meanwhile may or may not be seen. It holds nothing between calls.
class Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  // Steps to the next entry; false at the end. key() and value() are valid until the next call.
  Result<bool> next();
  std::string_view key() const;
  std::string_view value() const;
  bool rolled_up() const;

 private:
  friend class Store;
  explicit Cursor(std::unique_ptr<internal::ScanState> state);
  std::unique_ptr<internal::ScanState> state_;
};

struct Stats {
  std::uint64_t blobs = 0;  // in the tree
  std::uint64_t resident_blobs = 0, dirty_blobs = 0, free_frames = 0, frames = 0;
  std::uint64_t blob_reads = 0, blob_writes = 0, evictions = 0;
  std::uint64_t splits = 0, merges = 0, compactions = 0, restarts = 0, copies_on_write = 0;
  std::uint64_t checkpoints = 0, slots_in_use = 0, slots_in_file = 0;
  std::uint64_t log_capacity = 0, log_used = 0, syncs = 0, backpressure_waits = 0;
  Lsn applied{}, durable{}, checkpointed{};
  std::uint64_t generation = 0;
  bool poisoned = false;
};

// What verify() found. `problems` names place and fault, one sentence each.
struct VerifyReport {
  std::vector<std::string> problems;
  std::uint64_t keys = 0, blobs = 0, nodes = 0;
  std::uint64_t live_bytes = 0, dead_bytes = 0;
};

class Store {
 public:
  // Opens the store in directory `path`, or makes one in a missing or empty directory.
  // Errors: kBusy (another process has it open, and not both are read-only), kExists (unwanted),
  // kCorrupt, kInvalid (no store, or an impossible size among the options), kIo, kNoSpace,
  // kTooLarge (the log holds a batch for which the cache is too small).
  static Result<std::unique_ptr<Store>> open(const std::string& path, const Options& options);
  // The same on any Storage; the tests' simulated device comes in here.
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<Storage> storage,
                                             const Options& options);
  // Lets processes that want to open the store wait for close(), which follows: they would be told
  // kBusy otherwise. For owners with work of their own to finish first; close() does it by itself.
  void announce_close();
  // Checkpoints, unless the store is read-only, and syncs the log where that fails. close() first
  // to see errors.
  ~Store();
  Result<void> close();

  // Copies the value to `out`. Errors: kNotFound, kWouldBlock, kCorrupt, kIo; kNoSpace when the
  // disk is full and the whole cache changed, so that no frame can be given up for the blob.
  Result<void> get(std::string_view key, std::string& out, Wait wait = Wait::kYes) const;
  // Copies at most out.size() bytes of the value; returns the whole value's size in bytes.
  Result<std::size_t> get(std::string_view key, std::span<char> out, Wait wait = Wait::kYes) const;

  Cursor scan(const ScanOptions& options) const;

  // Applies all of the batch or none; returns the LSN to give to sync(). Errors: those of the
  // batch's operations and preconditions, kTooLarge, kWouldBlock, kReadOnly, kCorrupt, kIo,
  // kNoSpace.
  Result<Lsn> apply(const Batch& batch, Wait wait = Wait::kYes);
  // One-operation batches.
  Result<Lsn> put(std::string_view key, std::string_view value);
  Result<Lsn> erase(std::string_view key);

  // Returns when everything up to `lsn` is durable. Group commit: callers share one device sync.
  Result<void> sync(Lsn lsn);
  Result<void> sync();  // everything applied before the call
  // The same without waiting: `done` is called by the committer's thread, and must not block it.
  // An error that is known at once (a read-only store, an LSN that no batch has got yet) is given
  // to it inside the call.
  void sync_async(Lsn lsn, std::function<void(Result<void>)> done);
  Lsn applied() const;
  // Opened so, or turned so by a failed sync.
  bool read_only() const;

  Result<void> checkpoint();
  // Merges underfull blobs and frees what was cut off now instead of in the background.
  void maintain();

  Stats stats() const;
  // Reads every blob, checks its structure, and that each is reached, by one edge. Changes wait
  // meanwhile.
  Result<VerifyReport> verify() const;

  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace holt
