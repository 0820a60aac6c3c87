#include "engine/holt.h"

#include <fmt/format.h>

#include "engine/art/check.h"
#include "engine/scan_state.h"
#include "engine/store_impl.h"
#include "engine/tree/batch_run.h"

namespace holt {

Result<std::unique_ptr<Store>> Store::open(const std::string& path, const Options& options) {
  PosixStorageOptions storage_options;
  storage_options.create = options.create_if_missing && !options.read_only;
  storage_options.read_only = options.read_only;
  if (storage_options.create) {
    // Before anything is made.
    if (auto possible = Impl::check_log_size(options); !possible) return pass(possible);
  }
  auto storage = open_posix_storage(path, storage_options);
  if (!storage) return pass(storage);
  auto store = open(std::move(*storage), options);
  if (!store && !store.error().text().empty()) {
    return std::unexpected<Error>(
        Error(store.error().code(), path + ": " + store.error().text(), store.error().sys_errno()));
  }
  return store;
}

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<Storage> storage,
                                           const Options& options) {
  auto impl = std::make_unique<Impl>(std::move(storage), options);
  if (auto opened = impl->open(); !opened) return pass(opened);
  return std::make_unique<Store>(std::move(impl));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;
void Store::announce_close() { impl_->storage_->announce_close(); }
Result<void> Store::close() { return impl_->close(); }

Result<void> Store::get(std::string_view key, std::string& out, Wait wait) const {
  return impl_->tree_->get(key, out, wait);
}
Result<std::size_t> Store::get(std::string_view key, std::span<char> out, Wait wait) const {
  return impl_->tree_->get(key, out, wait);
}

Cursor Store::scan(const ScanOptions& options) const {
  return Cursor(std::make_unique<internal::ScanState>(*impl_->tree_, options));
}

Result<Lsn> Store::apply(const Batch& batch, Wait wait) { return impl_->apply(batch, wait); }

Result<Lsn> Store::Impl::apply(const Batch& batch, Wait wait) {
  if (!ring_) return fail(Code::kReadOnly, "the store is open read-only");
  if (auto valid = BatchRun::validate(batch); !valid) return pass(valid);
  const std::size_t size = batch.payload().size();
  if (size == 0) {
    if (auto checked = tree_->apply(batch, log_writer_, wait); !checked) return pass(checked);
    return ring_->published();
  }
  if (auto admitted = ring_->admit(size); !admitted) return pass(admitted);  // T3: before the gate
  auto at = tree_->apply(batch, log_writer_, wait);
  if (!at) {
    ring_->cancel(size);
    return pass(at);
  }
  const Lsn end = ring_->write(*at, batch.payload());
  ring_->wait_published(end);
  return end;
}

Result<Lsn> Store::put(std::string_view key, std::string_view value) {
  thread_local Batch batch;
  batch.clear();
  batch.put(key, value);
  return apply(batch);
}

Result<Lsn> Store::erase(std::string_view key) {
  thread_local Batch batch;
  batch.clear();
  batch.erase(key);
  return apply(batch);
}

Result<void> Store::sync(Lsn lsn) {
  if (!impl_->ring_) return fail(Code::kReadOnly, "the store is open read-only");
  if (lsn > impl_->ring_->tail()) return fail(Code::kInvalid, "no batch has got this LSN yet");
  return impl_->ring_->sync(lsn);
}
Result<void> Store::sync() { return sync(applied()); }

void Store::sync_async(Lsn lsn, std::function<void(Result<void>)> done) {
  if (!impl_->ring_) return done(fail(Code::kReadOnly, "the store is open read-only"));
  if (lsn > impl_->ring_->tail()) {
    return done(fail(Code::kInvalid, "no batch has got this LSN yet"));
  }
  impl_->ring_->sync_async(lsn, std::move(done));
}

Lsn Store::applied() const {
  return impl_->ring_ ? impl_->ring_->published() : impl_->checkpointer_->last().replay_from;
}

bool Store::read_only() const { return !impl_->ring_ || impl_->ring_->poisoned(); }

Result<void> Store::checkpoint() {
  if (!impl_->ring_) return fail(Code::kReadOnly, "the store is open read-only");
  return impl_->checkpointer_->run();
}

void Store::maintain() {
  if (impl_->ring_) impl_->work_once();
}

Stats Store::stats() const { return impl_->stats(); }

Stats Store::Impl::stats() const {
  Stats out;
  out.blobs = blobs_.count();
  out.frames = pool_->size();
  out.free_frames = pool_->free_count();
  out.dirty_blobs = pool_->dirty_count();
  for (FrameIndex index = 0; index < pool_->size(); ++index) {
    if (pool_->frame(index).blob.load(std::memory_order_acquire) == kNoBlob) continue;
    ++out.resident_blobs;
  }
  out.blob_reads = tree_->counters.blob_reads;
  out.blob_writes = checkpointer_->writes();
  out.evictions = pool_->evictions();
  out.splits = tree_->counters.splits;
  out.merges = tree_->counters.merges;
  out.compactions = tree_->counters.compactions;
  out.restarts = tree_->counters.restarts;
  out.copies_on_write = checkpointer_->copies();
  out.checkpoints = checkpointer_->rounds();
  blobs_.usage(out.slots_in_use, out.slots_in_file);
  const Superblock last = checkpointer_->last();
  out.checkpointed = last.replay_from;
  out.generation = last.generation;
  out.log_capacity = last.wal_bytes;
  if (!ring_) {
    out.applied = recovered_;
    out.log_used = recovered_ - last.replay_from;
  } else {
    out.log_used = ring_->used();
    out.syncs = ring_->sync_count();
    out.backpressure_waits = ring_->wait_count();
    out.applied = ring_->published();
    out.durable = ring_->durable();
    out.poisoned = ring_->poisoned();
  }
  return out;
}

Result<VerifyReport> Store::verify() const { return impl_->verify(); }

Result<VerifyReport> Store::Impl::verify() {
  VerifyReport report;
  report.problems = open_problems_;
  const ExclusiveGate inside(gate_);
  tree_->visit_blobs([&](const Tree::Visited& visited) {
    ++report.blobs;
    if (visited.error != nullptr) {
      report.problems.push_back(visited.error->to_string());
      return;
    }
    if (visited.in_tree) report.keys += visited.census->leaves;
    report.nodes += visited.census->nodes;
    report.live_bytes += visited.census->live_bytes;
    report.dead_bytes += art::View(visited.bytes).dead();
  });
  if (report.problems.empty() && report.blobs != blobs_.count()) {
    report.problems.push_back(
        fmt::format("{} blobs exist, but only {} can be reached", blobs_.count(), report.blobs));
  }
  return report;
}

}  // namespace holt
