// BulkFiles: the contents of files that are not packed, one host file each.
//
// The host file of inode N is data/FFF/N: N in 16 hexadecimal digits, FFF its bits 10 to 21 in
// three. So 1,024 numbers that were given out together share a directory, of which there are 4,096
// at most.
//
// A file whose record says Placement::kBulk has a host file of the record's size, except while an
// operation has changed one of the two and not yet the other, or the kernel writes to it by itself
// (passed_files.h); after a crash, recovery cuts the longer of the two to the shorter, but believes
// the host file where the record says so (kHostAhead). A host file outlives its record until the
// reaper has been.
//
// Host files are opened through a cache bounded by the limit of open files, because nobody tells
// the daemon when a file is opened or closed, but with passthrough.
//
// Thread safety: any thread. A handle stays valid while somebody holds it, whatever happens to the
// file.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/base/annotations.h"
#include "engine/storage/posix_file.h"
#include "fs/inode.h"
#include "fs/outcome.h"

namespace holtfs {

// An errno of the host as the caller of the filesystem should see it; logged unless it says that
// there is no room.
std::unexpected<Errno> host_failure(int err, const char* what, const std::string& path);

class HostFile {
 public:
  // `shown` is its path, for the log.
  HostFile(int fd, std::string shown) : fd_(fd), shown_(std::move(shown)) {}
  ~HostFile();
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  int fd() const { return fd_; }
  // Size and blocks of 512 bytes.
  struct Size {
    std::uint64_t size, blocks;
  };
  Outcome<Size> extent() const;
  Outcome<void> write_all(std::string_view bytes, std::uint64_t offset) const;
  // Writes up to 256 KiB of zeros in one piece. How many were written; failures are not logged.
  std::size_t write_zeros(std::uint64_t offset, std::size_t size) const;
  Outcome<void> sync() const;

 private:
  const int fd_;
  const std::string shown_;
};
using HostFileRef = std::shared_ptr<HostFile>;

class BulkFiles {
 public:
  // `folder` is the store's data directory; it is made when it is missing and not `read_only`.
  BulkFiles(std::string folder, std::size_t max_open, bool read_only);
  BulkFiles(const BulkFiles&) = delete;
  BulkFiles& operator=(const BulkFiles&) = delete;

  // Whether there is a data directory; errno says why not, right after the constructor.
  bool usable() const { return static_cast<bool>(directory_); }

  // False says nothing.
  bool is_open(Ino ino) {
    std::uint64_t removals = 0;
    return cached(ino, removals) != nullptr;
  }
  // Null when there is no host file.
  Outcome<HostFileRef> open(Ino ino);
  Outcome<HostFileRef> open_or_create(Ino ino);
  // A failure is logged; recovery finds what is left. Nobody gets the file from here afterwards.
  void remove(Ino ino);
  // Makes the contents of all files durable.
  Outcome<void> sync_all() const;
  // Calls `visit` with each number that has a host file.
  Outcome<void> for_each(const std::function<void(Ino)>& visit) const;

 private:
  static constexpr std::size_t kShards = 16;
  struct Cached {
    Ino ino;
    HostFileRef file;
  };
  struct Shard {
    holt::Mutex mutex{holt::Rank::kLeaf};
    std::list<Cached> recent GUARDED_BY(mutex);  // most recently used first
    std::unordered_map<std::uint64_t, std::list<Cached>::iterator> by_ino GUARDED_BY(mutex);
    std::uint64_t removals GUARDED_BY(mutex) = 0;
  };

  static std::string directory_of(Ino ino);
  static std::string name_of(Ino ino);  // below the data directory
  std::string shown(Ino ino) const;     // its path, for the log
  Shard& shard_of(Ino ino) { return shards_[number_of(ino) % kShards]; }
  // Null when it is not open; `removals` is then for remember().
  HostFileRef cached(Ino ino, std::uint64_t& removals);
  // A file that was opened since. Where others were removed meanwhile it may have been among them,
  // and is not kept: whoever came later would write to a file that is gone.
  HostFileRef remember(Ino ino, HostFileRef file, std::uint64_t removals);

  const std::string folder_;
  const std::size_t max_per_shard_;
  const int access_;
  // By descriptor, so that a store that is renamed while it is open keeps its contents.
  holt::UniqueFd directory_;
  std::array<Shard, kShards> shards_;
};

}  // namespace holtfs
