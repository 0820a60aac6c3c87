// Opening, making and closing a filesystem; inode numbers.
#include <sys/stat.h>

#include <algorithm>
#include <bit>

#include "fs/ops.h"
#include "fs/state.h"

namespace holtfs {

namespace {

// Numbers given out from memory between two changes of the state record. What is left of them when
// the daemon dies is never used.
constexpr std::uint64_t kInoChunk = 4096;
constexpr std::chrono::milliseconds kReapInterval{5000};
constexpr std::chrono::minutes kLazyInterval{10};
constexpr std::chrono::hours kLazyAge{24};

// Of the host, in bytes; of those that count files in pieces of odd sizes, an upper bound.
std::uint64_t block_of_host(const std::string& path) {
  constexpr std::uint64_t kLeast = 512, kUsual = 4096, kMost = 65'536;
  struct statvfs host;
  if (statvfs(path.c_str(), &host) != 0) return kUsual;
  return std::bit_ceil(std::clamp<std::uint64_t>(host.f_frsize, kLeast, kMost));
}

}  // namespace

Filesystem::Filesystem(std::string path, const FilesystemOptions& options)
    : path_(std::move(path)),
      options_(options),
      limited_(options.limits),
      syncs_(options.sync_file),
      nodes_(&Filesystem::on_gone, this),
      passed_(options.atime != AtimePolicy::kNever) {}

holt::Result<std::unique_ptr<Filesystem>> Filesystem::open(const std::string& path,
                                                           const FilesystemOptions& options) {
  auto fs = std::unique_ptr<Filesystem>(new Filesystem(path, options));
  auto store = holt::Store::open(path, options.store);
  if (!store) return holt::pass(store);
  fs->store_ = std::move(*store);
  fs->bulk_ = std::make_unique<BulkFiles>(path + "/data", options.max_open_host_files,
                                          options.store.read_only);
  if (!options.store.read_only && !fs->bulk_->usable()) {
    return holt::fail_errno(errno, "cannot make or open " + path + "/data");
  }
  fs->segments_ = std::make_unique<Segments>(path + "/segments", options.max_open_host_files / 8,
                                             options.store.read_only, options.sync_file);
  if (fs->segments_->failure() != 0) {
    return holt::fail_errno(fs->segments_->failure(), "cannot make or open " + path + "/segments");
  }
  fs->block_ = block_of_host(path);
  if (auto started = fs->start(); !started) return holt::pass(started);
  return fs;
}

Filesystem::~Filesystem() { (void)close(); }

holt::Result<void> Filesystem::close() {
  if (closed_ || !store_) return {};
  closed_ = true;
  store_->announce_close();
  lazy_ticker_.reset();
  write_times_older_than(std::chrono::seconds(0));
  leave_passed();
  nodes_.clear();
  reaper_.reset();
  upkeep_ticker_.reset();
  holt::Result<void> written;
  if (started_ && !options_.store.read_only) {
    // Clean means that contents are as their records say, after a power failure too.
    written = settle_segments();
    const auto synced = bulk_->sync_all();
    if (written && synced) {
      written = write_state(!contents_unsure_ && !keeps_all_segments_);
    } else if (written) {
      written = holt::fail_errno(value_of(synced.error()), "the contents of files are not synced");
    }
  }
  holt::Result<void> closed = store_->close();
  store_.reset();  // the next to open it may come
  return written ? std::move(closed) : std::move(written);
}

holt::Result<void> Filesystem::start() {
  const auto state = read_state(*store_, path_);
  if (!state) return std::unexpected(state.error());
  bool clean = true;
  if (!*state) {
    if (options_.store.read_only) {
      return holt::fail(holt::Code::kInvalid, path_ + " holds no filesystem");
    }
    if (auto made = make_root(); !made) return made;
  } else {
    next_ino_ = reserved_ino_ = (*state)->next_ino;
    limited_.start({.blocks = static_cast<std::int64_t>((*state)->blocks),
                    .inodes = static_cast<std::int64_t>((*state)->inodes)});
    clean = (*state)->clean;
  }
  bool complete = true;
  if (auto learned = learn_segments(complete); !learned) return learned;
  if (options_.store.read_only) return {};
  if (!clean || !complete) {
    if (auto recovered = recover(); !recovered) return recovered;
  }
  if (auto written = write_state(false); !written) return written;
  // From here on host files change, which reach the disk in their own time: not before the word
  // that they have to be looked at.
  if (auto synced = store_->sync(); !synced) return synced;
  reaper_ = std::make_unique<Reaper>(
      *bulk_, [this](holt::Lsn lsn) { return store_->sync(lsn).has_value(); }, kReapInterval);
  if (options_.lazytime) {
    lazy_ = std::make_unique<LazyTimes>(nodes_, options_.max_lazy_times);
    lazy_ticker_ =
        std::make_unique<Ticker>(kLazyInterval, [this] { write_times_older_than(kLazyAge); });
  }
  segments_->start_lanes();
  upkeep_ticker_ = std::make_unique<Ticker>(options_.upkeep_interval, [this] { upkeep(); });
  started_ = true;
  return {};
}

holt::Result<void> Filesystem::make_root() {
  Inode root = new_inode(kRootIno, S_IFDIR | 0755);
  root.uid = options_.root.uid;
  root.gid = options_.root.gid;
  next_ino_ = reserved_ino_ = number_of(kRootIno) + 1;
  limited_.start({.inodes = 1});
  auto put = store_->put(schema::inode_key({}), encode(root));
  if (!put) return holt::pass(put);
  return {};
}

holt::Result<void> Filesystem::write_state(bool clean) {
  const Amount used = limited_.used();
  const State state{.clean = clean,
                    .next_ino = clean ? next_ino_.load() : reserved_ino_.load(),
                    .inodes = static_cast<std::uint64_t>(used.inodes),
                    .blocks = static_cast<std::uint64_t>(used.blocks)};
  auto put = store_->put(schema::state_key(), encode(state));
  if (!put) return holt::pass(put);
  return {};
}

Outcome<Ino> Filesystem::new_ino(const Caller& caller) {
  const std::uint64_t number = next_ino_.fetch_add(1);
  if (number < reserved_ino_.load()) return Ino{number};
  const holt::MutexLock lock(state_mutex_);
  if (number < reserved_ino_.load()) return Ino{number};
  const Amount used = limited_.used();
  const State state{.next_ino = number + kInoChunk,
                    .inodes = static_cast<std::uint64_t>(used.inodes),
                    .blocks = static_cast<std::uint64_t>(used.blocks)};
  holt::Batch& batch = scratch_batch();
  batch.put(schema::state_key(), encode(state));
  if (const auto lsn = apply(caller, batch); !lsn) return fail(lsn.error());
  reserved_ino_ = state.next_ino;
  return Ino{number};
}

}  // namespace holtfs
