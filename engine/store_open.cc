// Opening and closing a store: creation, recovery, start of the threads.
#include <array>
#include <chrono>
#include <random>

#include <fmt/format.h>

#include "engine/format.h"
#include "engine/store_impl.h"
#include "engine/tree/batch_run.h"
#include "engine/wal/replay.h"

namespace holt {

namespace {

constexpr std::uint32_t kSegments = 4;
constexpr std::uint64_t kMinLogBytes = 1u << 20;
constexpr std::uint64_t kMaxLogBytes = std::uint64_t{16} << 30;
constexpr std::uint64_t kLogUnit = kSegments * kDiskPage;

std::uint32_t other_generation(std::uint32_t last) {
  std::random_device source;
  std::uint32_t generation = source();
  while (generation == last || generation == 0) generation = source();
  return generation;
}

std::array<unsigned char, 16> random_uuid() {
  std::random_device source;
  std::array<unsigned char, 16> uuid;
  for (unsigned char& byte : uuid) byte = static_cast<unsigned char>(source());
  uuid[6] = static_cast<unsigned char>((uuid[6] & 0x0f) | 0x40);  // RFC 9562, version 4
  uuid[8] = static_cast<unsigned char>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

Result<Superblock> describe_new_store(const Options& options) {
  if (auto possible = Store::Impl::check_log_size(options); !possible) return pass(possible);
  Superblock superblock;
  superblock.wal_bytes = options.wal_bytes / kLogUnit * kLogUnit;
  superblock.wal_segments = kSegments;
  superblock.uuid = random_uuid();
  return superblock;
}

}  // namespace

Result<void> Store::Impl::check_log_size(const Options& options) {
  if (options.wal_bytes >= kMinLogBytes && options.wal_bytes / kLogUnit * kLogUnit <= kMaxLogBytes)
    return {};
  return fail(Code::kInvalid, fmt::format("the log must have between {} MiB and {} GiB",
                                          kMinLogBytes >> 20, kMaxLogBytes >> 30));
}

Store::Impl::Impl(std::unique_ptr<Storage> storage, const Options& options)
    : options_(options), storage_(std::move(storage)) {}

Store::Impl::~Impl() {
  // An error has nobody to go to here; close() is for who wants to know.
  [[maybe_unused]] const auto closed = close();
}

Result<void> Store::Impl::open() {
  auto pool = FramePool::create(options_.cache_bytes);
  if (!pool) return pass(pool);
  pool_ = std::move(*pool);
  const bool fresh = storage_->fresh();
  if (fresh && !options_.create_if_missing) {
    return fail(Code::kNotFound, "there is no store here");
  }
  if (!fresh && options_.error_if_exists)
    return fail(Code::kExists, "there is a store here already");
  const auto superblock =
      fresh ? describe_new_store(options_) : read_superblock(*storage_, blobs_, open_problems_);
  if (!superblock) return std::unexpected(superblock.error());
  if (!fresh && !storage_->read_only()) {
    // A process that died before its last sync, or whose last sync failed, left a superblock that
    // is perhaps in the page cache only. What the one before it refers to is free from now on, so
    // this one must be durable first; and after a failed sync only a new write makes it so.
    if (auto written = write_superblock(*storage_, *superblock); !written) return written;
  }
  checkpointer_ = std::make_unique<Checkpointer>(*storage_, *pool_, blobs_, gate_, *superblock);
  tree_ = std::make_unique<Tree>(*storage_, *pool_, blobs_, *checkpointer_, gate_);
  auto end = fresh ? create(*superblock) : recover(*superblock);
  if (!end) return pass(end);
  return start(*superblock, *end);
}

// The first superblock, which makes this a store, comes last: start() has it written.
Result<Lsn> Store::Impl::create(const Superblock& superblock) {
  if (auto mapped = map_log(superblock); !mapped) return pass(mapped);
  if (auto created = tree_->create_root(); !created) return pass(created);
  return Lsn{0};
}

Result<std::byte*> Store::Impl::map_log(const Superblock& superblock) {
  auto memory = storage_->map_log(superblock.wal_bytes, superblock.wal_segments);
  if (memory) log_memory_ = *memory;
  return memory;
}

LogSide Store::Impl::log_side_of_recovery() {
  return {.position = [this] { return recovered_; },
          .wait_published = [](Lsn) {},
          .release = [](Lsn) {},
          .poison = [](const Error&) {}};
}

LogSide Store::Impl::log_side_of_ring() {
  return {.position = [this] { return ring_->tail(); },
          .wait_published = [this](Lsn lsn) { ring_->wait_published(lsn); },
          .release = [this](Lsn lsn) { ring_->trim(lsn); },
          .poison = [this](const Error& cause) { ring_->poison(cause); }};
}

// Replays the log. Checkpoints may run meanwhile, to make room in the cache: they name the record
// that comes next.
Result<Lsn> Store::Impl::recover(const Superblock& superblock) {
  if (superblock.wal_bytes < kMinLogBytes || superblock.wal_bytes > kMaxLogBytes ||
      superblock.wal_bytes % kLogUnit != 0 || superblock.wal_segments != kSegments) {
    return fail(Code::kCorrupt, "the superblock describes an impossible log");
  }
  if (auto mapped = map_log(superblock); !mapped) return pass(mapped);
  recovered_ = superblock.replay_from;
  checkpointer_->attach(log_side_of_recovery(), superblock.generation);
  checkpointer_->start();
  Batch batch;
  auto end = wal::replay(
      log_memory_, superblock.wal_bytes, superblock.replay_from, superblock.generation,
      [&](Lsn at, std::string_view payload) -> Result<void> {
        if (auto parsed = batch.parse(payload); !parsed) return parsed;
        if (auto valid = BatchRun::validate(batch); !valid) {
          return fail(Code::kCorrupt, fmt::format("the log record at {} is no batch: {}",
                                                  position_of(at), valid.error().to_string()));
        }
        // Moved inside the gate, together with the blobs, so that a checkpoint sees both or
        // neither.
        const LogWriter replayed{.reserve = [&](std::size_t size) {
          recovered_ = at + record_bytes(size);
          return at;
        }};
        auto applied = tree_->apply(batch, replayed, Wait::kYes);
        if (applied) return {};
        if (applied.error().code() == Code::kTooLarge) {
          return fail(Code::kTooLarge, fmt::format("recovery needs a larger cache: {}",
                                                   applied.error().to_string()));
        }
        if (applied.error().code() != Code::kIo && applied.error().code() != Code::kNoSpace) {
          return fail(Code::kCorrupt, fmt::format("the log record at {} cannot be applied: {}",
                                                  position_of(at), applied.error().to_string()));
        }
        return pass(applied);
      });
  checkpointer_->stop();
  return end;
}

Result<void> Store::Impl::start(const Superblock& superblock, Lsn end) {
  if (storage_->read_only()) {
    checkpointer_->start();
    return {};
  }
  // A new generation, so that what the crashed run left behind `end` is never taken for new
  // records. The superblock that says so is durable before the first of them is written. Drawn at
  // random: with a number one can guess, a value could be made that passes for a record.
  const std::uint32_t generation = other_generation(superblock.generation);
  recovered_ = end;
  checkpointer_->attach(log_side_of_recovery(), generation);
  if (auto written = checkpointer_->run(); !written) return written;
  wal::RingOptions ring;
  ring.bytes = superblock.wal_bytes;
  ring.generation = generation;
  ring.start = end;
  ring.commit_interval_ms = options_.commit_interval_ms;
  ring.on_pressure = [this] { checkpointer_->request(); };
  ring.on_poison = options_.on_poison;
  ring.give_up = [this] { return checkpointer_->failure(); };
  ring_ = wal::Ring::open(*storage_, log_memory_, std::move(ring));
  log_writer_.reserve = [this](std::size_t size) { return ring_->reserve(size); };
  checkpointer_->attach(log_side_of_ring(), generation);
  checkpointer_->start();
  maintainer_ = std::thread(&Impl::maintain, this);
  return {};
}

Result<void> Store::Impl::close() {
  if (closed_) return {};
  closed_ = true;
  storage_->announce_close();
  if (maintainer_.joinable()) {
    {
      const MutexLock lock(work_mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    maintainer_.join();
  }
  if (checkpointer_) checkpointer_->stop();
  Result<void> outcome;
  if (ring_ && ring_->poisoned()) {
    // The host may drop what its failed sync left in the log's pages; the blobs may fare better.
    [[maybe_unused]] const auto saved = checkpointer_->run();
    outcome = std::unexpected<Error>(ring_->poison_error());
  } else if (ring_) {
    outcome = checkpointer_->run();
  }
  if (ring_ && !outcome) {
    // The checkpoint failed, the log did not: what was applied shall at least be there.
    if (auto synced = ring_->sync(ring_->tail()); !synced) outcome = synced;
  }
  ring_.reset();
  return outcome;
}

void Store::Impl::maintain() {
  for (;;) {
    {
      MutexLock lock(work_mutex_);
      if (!stopping_) lock.wait_for(work_, std::chrono::milliseconds(50));
      if (stopping_) return;
    }
    work_once();
  }
}

void Store::Impl::work_once() {
  const MutexLock turn(work_turn_);
  while (tree_->merge_one()) {
  }
  for (;;) {
    const auto dropped = tree_->drop_one();
    if (!dropped || !*dropped) return;
  }
}

}  // namespace holt
