// The parts of an open store.
#pragma once

#include <condition_variable>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/annotations.h"
#include "engine/base/gate.h"
#include "engine/checkpoint/blob_map.h"
#include "engine/checkpoint/checkpointer.h"
#include "engine/checkpoint/superblock.h"
#include "engine/frame/pool.h"
#include "engine/holt.h"
#include "engine/storage/storage.h"
#include "engine/tree/tree.h"
#include "engine/wal/ring.h"

namespace holt {

class Store::Impl {
 public:
  Impl(std::unique_ptr<Storage> storage, const Options& options);
  ~Impl();

  // Whether a new store can have a log of that size.
  static Result<void> check_log_size(const Options& options);
  Result<void> open();
  Result<void> close();
  Result<Lsn> apply(const Batch& batch, Wait wait);
  Stats stats() const;
  Result<VerifyReport> verify();

  // Background thread: merges underfull blobs, frees what was cut off.
  void maintain();
  void work_once();

  const Options options_;
  std::unique_ptr<Storage> storage_;
  Gate gate_{Rank::kGate};
  BlobMap blobs_;
  std::unique_ptr<FramePool> pool_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Tree> tree_;
  std::unique_ptr<wal::Ring> ring_;  // null in a read-only store
  LogWriter log_writer_;
  std::vector<std::string> open_problems_;  // damage met and survived while opening

 private:
  Result<Lsn> create(const Superblock& superblock);
  Result<Lsn> recover(const Superblock& superblock);
  Result<void> start(const Superblock& superblock, Lsn end);
  LogSide log_side_of_recovery();
  LogSide log_side_of_ring();
  Result<std::byte*> map_log(const Superblock& superblock);

  std::byte* log_memory_ = nullptr;
  Lsn recovered_{};  // where replay stands; changed inside the gate while checkpoints may run
  bool closed_ = false;

  // One at a time: each drop is one thread's business.
  Mutex work_turn_{Rank::kWork};
  Mutex work_mutex_{Rank::kLeaf};
  std::condition_variable work_;
  bool stopping_ GUARDED_BY(work_mutex_) = false;
  std::thread maintainer_;
};

}  // namespace holt
