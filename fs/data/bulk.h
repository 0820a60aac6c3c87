// BulkFiles: the contents of files in the bulk tier, one host file each.
//
// The host file of inode N is data/FFF/N, with N in hexadecimal and FFF from the bits above the
// lowest ten: a thousand numbers that were given out together share a folder, and there are 4096 of
// them. A file has a host file exactly when its record says Placement::kBulk; the host file then
// has the record's size.
//
// Host files are opened through a cache bounded by the limit of open files, because nobody tells
// the daemon when a file is opened or closed.
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
#include <unordered_map>

#include "engine/base/annotations.h"
#include "fs/inode.h"
#include "fs/outcome.h"

namespace holtfs {

class HostFile {
 public:
  explicit HostFile(int fd) : fd_(fd) {}
  ~HostFile();
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  int fd() const { return fd_; }
  // Size and blocks of 512 bytes.
  struct Extent {
    std::uint64_t size, blocks;
  };
  Outcome<Extent> extent() const;

 private:
  int fd_;
};
using HostFileRef = std::shared_ptr<HostFile>;

class BulkFiles {
 public:
  // `folder` is the store's data folder; it is made when the first file is.
  BulkFiles(std::string folder, std::size_t max_open);
  BulkFiles(const BulkFiles&) = delete;
  BulkFiles& operator=(const BulkFiles&) = delete;

  // Null when there is no host file.
  Outcome<HostFileRef> open(Ino ino);
  Outcome<HostFileRef> open_or_create(Ino ino);
  // A failure is logged; recovery finds what is left.
  void remove(Ino ino);
  // Calls `visit` with each number that has a host file.
  Outcome<void> for_each(const std::function<void(Ino)>& visit) const;

 private:
  static constexpr std::size_t kShards = 16;
  struct Cached {
    Ino ino;
    HostFileRef file;
  };
  struct Shard {
    holt::Mutex mutex;
    std::list<Cached> recent GUARDED_BY(mutex);  // most recently used first
    std::unordered_map<std::uint64_t, std::list<Cached>::iterator> by_ino GUARDED_BY(mutex);
  };

  std::string folder_of(Ino ino) const;
  std::string path_of(Ino ino) const;
  Shard& shard_of(Ino ino) { return shards_[number_of(ino) % kShards]; }
  HostFileRef cached(Ino ino);
  HostFileRef remember(Ino ino, HostFileRef file);

  const std::string folder_;
  const std::size_t max_per_shard_;
  std::array<Shard, kShards> shards_;
};

}  // namespace holtfs
