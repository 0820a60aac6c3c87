// PassedFiles: which files are open, where the kernel says so (`passthrough`), and which of them it
// reads and writes by itself, in their host files, without asking.
//
// All opens of a file at a time have to be of one kind, so the first one decides. While a file is
// passed through, only its host file knows its size, blocks and times: show() has them.
//
// What was seen of a host file last, when the record was changed, is its base: what differs from it
// is news for the record. Where the file may be written, the host file then has the times of the
// record, so that recovery can take them from there.
//
// Thread safety: any thread. What changes the opens of a file REQUIRES its data lock, exclusively;
// rebase() the lock of its record (O3).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/base/annotations.h"
#include "fs/data/bulk.h"
#include "fs/inode.h"
#include "fs/node_table.h"

namespace holtfs {

// Tells the kernel of a host file that it may read and write, and that it no longer may.
struct Backing {
  std::function<int(int fd)> open;  // a number above 0, or 0 for none
  std::function<void(int id)> close;
};

class PassedFiles {
 public:
  struct State {
    std::uint64_t size = 0, blocks = 0;  // bytes; of 512 bytes
    Time mtime{}, atime{};
  };
  struct Opens {
    std::uint64_t count = 0;
    int backing_id = 0;  // 0: not passed through
    bool writes = false;
  };

  // `atimes`: reading moves the access time.
  explicit PassedFiles(bool atimes) : atimes_(atimes) {}
  PassedFiles(const PassedFiles&) = delete;
  PassedFiles& operator=(const PassedFiles&) = delete;

  bool any() const { return passed_ != 0; }
  // Whether any file was passed through since the mount.
  bool ever() const { return ever_; }
  std::size_t count() const { return passed_; }

  std::optional<Opens> find(Ino ino) const;
  // The first open of a file that is not passed through.
  void add(Ino ino);
  // Of one that is. False when the host file does not say how it is.
  bool add(Ino ino, NodePin node, HostFileRef host, int backing_id);
  // REQUIRES of these: it has an entry.
  void open_again(Ino ino);
  void close_one(Ino ino);
  void set_writes(Ino ino, bool writes);
  void erase(Ino ino);

  // Puts into the attributes what the host file says; nothing where it is not passed through.
  std::optional<State> show(Inode& inode) const { return merge(inode); }
  std::optional<State> show(Attr& attr) const { return merge(attr); }
  // The record of a file that was shown with `state` is `inode` now.
  void rebase(const Inode& inode, State state);
  std::vector<Ino> all_passed() const;

 private:
  struct Entry {
    Opens opens;
    HostFileRef host;
    State base;
    NodePin node;  // its RELEASE may come after its FORGET
  };
  template <class Attributes>
  std::optional<State> merge(Attributes& out) const;

  const bool atimes_;
  std::atomic<std::size_t> passed_{0};
  std::atomic<bool> ever_{false};
  mutable holt::Mutex mutex_{holt::Rank::kLeaf};
  std::unordered_map<std::uint64_t, Entry> entries_ GUARDED_BY(mutex_);
};

// As a host file says; nothing when it does not.
std::optional<PassedFiles::State> state_of(const HostFile& host);

}  // namespace holtfs
