// Filesystem: POSIX operations on a holt store, usable with or without a mount.
//
// Files are named by their inode number, as the kernel names them by nodeid: a number is valid
// while the caller holds a lookup on it. Operations that return an Entry add one; forget() takes
// them back. The root needs none. Access is not checked here: the kernel does so
// (default_permissions).
//
// Contents: small files are packed into segments (op_packed.cc, packing.cc), others have a host
// file each (op_file.cc). A file's bytes are written before the record that says how many there
// are. Removed contents go after the record's removal is durable.
//
// Thread safety: any number of threads. Ranks of locks: fs/README.md.
//
// Invariants: R1 to R4 (inode.h), N1 to N4 (node_table.h), D1 (dir_cookies.h), P1 to P3
// (data/segments.h, op_packed.cc, packing.cc), L1 to L3 (limited.h), and
//   O1  every batch leaves R1 to R4 true: a record and what it counts change in one batch.
//   O2  an operation that fails with kWouldWait can be run again from the start: all it may have
//       changed in the store is times, how many inode numbers are reserved, or that contents are
//       in a host file now.
//   O3  a record is changed only under its lock, held exclusively, or with the gate to oneself: a
//       directory's is its directory lock, another inode's its file lock. The access time alone may
//       be patched under the shared lock. So a record that was read under its lock can be patched,
//       where N1 keeps its key the same too.
#pragma once

#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/base/gate.h"
#include "engine/holt.h"
#include "fs/data/allocation.h"
#include "fs/data/bulk.h"
#include "fs/data/pack_ledger.h"
#include "fs/data/passed_files.h"
#include "fs/data/reaper.h"
#include "fs/data/segments.h"
#include "fs/data/sync_failures.h"
#include "fs/inode.h"
#include "fs/inode_locks.h"
#include "fs/lazy_times.h"
#include "fs/limited.h"
#include "fs/node_table.h"
#include "fs/outcome.h"
#include "fs/perm.h"
#include "fs/schema.h"
#include "fs/ticker.h"

namespace holtfs {

struct Caller {
  Credentials who;
  mode_t umask = 0;                    // where no default ACL says what new files may be
  holt::Wait wait = holt::Wait::kYes;  // kNo: kWouldWait instead of waiting for a disk
};

struct FilesystemOptions {
  holt::Options store;
  AtimePolicy atime = AtimePolicy::kRelative;
  bool diratime = true;   // false: directories' atimes stay as they are
  bool lazytime = false;  // times that change alone are kept in memory for up to a day
  std::size_t max_lazy_times = LazyTimes::kCapacity;  // of so many files
  bool acl = true;  // false: ACLs are not shown, set or inherited; those there stay
  Limits limits;    // what is there already may be more
  std::size_t max_open_host_files = 512;
  bool pack = true;  // false: what is written gets a host file, however small
  SyncFailures::Sync sync_file = ::fdatasync;
  std::chrono::milliseconds upkeep_interval{5000};  // between rounds of upkeep()
  Credentials root;  // owner of the root of a filesystem that is made
};

struct Entry {
  Attr attr;  // attr.ino is the number to use, and to forget
};

struct SetAttr {
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::uint64_t> size;
  std::optional<Time> atime, mtime, ctime;
  bool drop_setid = false;  // truncation by somebody without CAP_FSETID

  // What is left of chown(2) when neither owner nor group is to change.
  bool is_nothing() const { return !mode && !uid && !gid && !size && !atime && !mtime && !ctime; }
  bool is_chown() const { return uid || gid || is_nothing(); }
};

struct DirEntry {
  std::string_view name;
  Ino ino;
  std::uint8_t type;     // as d_type
  std::uint64_t cookie;  // where a listing goes on behind this entry
  const Attr* attr;      // readdirplus only; null for "." and ".."
};
// Takes one entry; false when it has no room, and the entry is then not counted as given.
using DirSink = std::function<bool(const DirEntry&)>;

class Filesystem {
 public:
  // Opens or makes the store in `path`, and recovers after an unclean end.
  static holt::Result<std::unique_ptr<Filesystem>> open(const std::string& path,
                                                        const FilesystemOptions& options);
  ~Filesystem();
  // Removes nameless files, marks the store clean, and closes it with a checkpoint. Nothing else
  // may be called afterwards, or meanwhile.
  holt::Result<void> close();

  // Namespace.
  Outcome<Entry> lookup(const Caller& caller, Ino parent, std::string_view name);
  void forget(Ino ino, std::uint64_t lookups);
  Outcome<Entry> mknod(const Caller& caller, Ino parent, std::string_view name, mode_t mode,
                       dev_t rdev);
  Outcome<Entry> mkdir(const Caller& caller, Ino parent, std::string_view name, mode_t mode);
  Outcome<Entry> symlink(const Caller& caller, Ino parent, std::string_view name,
                         std::string_view target);
  // With `exclusive`, EEXIST when the name exists; otherwise that file is opened. `placement`:
  // kNone, or kBulk for a file that has a host file from the start.
  Outcome<Entry> create(const Caller& caller, Ino parent, std::string_view name, mode_t mode,
                        bool exclusive, Placement placement = Placement::kNone);
  Outcome<Entry> tmpfile(const Caller& caller, Ino parent, mode_t mode);
  Outcome<Entry> link(const Caller& caller, Ino ino, Ino parent, std::string_view name);
  Outcome<void> unlink(const Caller& caller, Ino parent, std::string_view name);
  Outcome<void> rmdir(const Caller& caller, Ino parent, std::string_view name);
  // `flags`: RENAME_EXCHANGE, or any of RENAME_NOREPLACE and RENAME_WHITEOUT. Gives the directories
  // that have another parent now, at most two; 0 for none.
  using Moved = std::array<Ino, 2>;
  Outcome<Moved> rename(const Caller& caller, Ino parent, std::string_view name, Ino new_parent,
                        std::string_view new_name, unsigned flags);

  // Attributes.
  Outcome<Attr> getattr(const Caller& caller, Ino ino);
  Outcome<Attr> setattr(const Caller& caller, Ino ino, const SetAttr& change);
  Outcome<std::string> readlink(const Caller& caller, Ino ino);
  // `flags`: XATTR_CREATE or XATTR_REPLACE, which ACLs do not heed.
  Outcome<void> setxattr(const Caller& caller, Ino ino, std::string_view name,
                         std::string_view value, int flags);
  Outcome<std::string> getxattr(const Caller& caller, Ino ino, std::string_view name);
  // The names, each followed by NUL.
  Outcome<std::string> listxattr(const Caller& caller, Ino ino);
  Outcome<void> removexattr(const Caller& caller, Ino ino, std::string_view name);

  // Directories. `sink` gets entries from `cookie` on, "." and ".." first.
  Outcome<void> readdir(const Caller& caller, Ino ino, std::uint64_t cookie, const DirSink& sink,
                        bool note_atime = true);
  // The same with attributes, and one lookup more for each entry taken but "." and "..".
  Outcome<void> readdirplus(const Caller& caller, Ino ino, std::uint64_t cookie,
                            const DirSink& sink, bool note_atime = true);

  // Contents.
  Outcome<std::size_t> read(const Caller& caller, Ino ino, std::uint64_t offset,
                            std::span<char> out, bool note_atime = true);
  Outcome<std::size_t> write(const Caller& caller, Ino ino, std::uint64_t offset,
                             std::string_view bytes, bool drop_setid);
  Outcome<void> fallocate(const Caller& caller, Ino ino, int mode, std::uint64_t offset,
                          std::uint64_t length);
  Outcome<std::uint64_t> lseek(const Caller& caller, Ino ino, std::uint64_t offset, int whence);
  // `lost` is called when a write or an allocation took set-ID bits away, before it returns: a
  // kernel that is not told would still run the file with them. Set before anything else is called.
  void on_setid_loss(std::function<void(Ino)> lost) { setid_lost_ = std::move(lost); }
  // `refers` tells whether the kernel still refers to a file without a name: its FORGET may be
  // under way when its room is wanted. Otherwise room comes back with forget(). Called with locks
  // held, so it must not wait for other operations. Set before anything else is called.
  void on_full(std::function<bool(Ino)> refers) { kernel_refers_ = std::move(refers); }
  // Makes a file's contents durable; its attributes and names are for sync_async(). Once it failed
  // it fails until the contents are gone.
  Outcome<void> sync_contents(Ino ino);
  // Whether there is no need to: sync_async() from now on includes the contents. Does not wait for
  // the disk.
  bool sync_at_once(Ino ino);
  // With lazytime: puts what is kept in memory of a file's times into its record, as sync_async()
  // wants it.
  Outcome<void> write_times(const Caller& caller, Ino ino);
  bool has_lazy_times(Ino ino) const;
  // The same for all files of which it is kept for that long. Done in the background after a day.
  void write_times_older_than(std::chrono::seconds age);
  // Everything applied so far becomes durable; `done` gets 0 or an errno, on the committer's
  // thread, or inside the call when the store is open read-only.
  void sync_async(std::function<void(int)> done);

  // Where the kernel says what is open: the first open of a file decides whether the kernel reads
  // and writes its host file by itself until the last close (data/passed_files.h). Gives the number
  // that `backing` gave, or 0.
  Outcome<int> open_passed(const Caller& caller, Ino ino, bool writes, const Backing& backing);
  Outcome<void> close_passed(const Caller& caller, Ino ino, const Backing& backing);
  // What the kernel wrote so far is in the record, as sync_async() wants it.
  Outcome<void> sync_passed(Ino ino);
  std::size_t passed_files() const { return passed_.count(); }

  Outcome<struct statvfs> statfs();
  // One round of what keeps segments in order, which also happens by itself every few seconds.
  void upkeep();

  holt::Store& store() { return *store_; }
  std::size_t known_nodes() const { return nodes_.size(); }
  std::uint64_t known_lookups() const { return nodes_.lookups(); }

 private:
  struct Dir;      // ops.h: a directory with its record, under its lock
  struct Located;  // ops.h: where an inode's record is
  struct Renaming;
  struct DirPair;
  struct Moving;
  struct Removed;

  Filesystem(std::string path, const FilesystemOptions& options);

  // open_close.cc, recovery.cc, recovery_packed.cc
  holt::Result<void> start();
  holt::Result<void> make_root();
  holt::Result<void> recover();
  holt::Result<void> learn_segments(bool& complete);
  holt::Result<std::vector<std::string>> restore_logged();
  holt::Result<std::optional<Inode>> fit_packed(const Inode& inode);
  holt::Result<void> finish_packed(const std::vector<std::string>& logged);
  holt::Result<void> remove_unclaimed(const std::unordered_set<std::uint64_t>& unclaimed,
                                      std::uint64_t damaged);
  holt::Result<void> write_state(bool clean);
  Outcome<Ino> new_ino(const Caller& caller);
  static void on_gone(void* self, std::unique_ptr<Orphan> orphan);

  // ops.cc: what several operations need
  Outcome<Node*> directory_node(Ino ino);
  Outcome<Dir> load_directory(const Caller& caller, Ino ino);
  Outcome<Inode> load_inode(const Caller& caller, std::string_view key, Ino ino,
                            Parts parts = Parts::kAll);
  // What a dentry says; nothing where there is none.
  Outcome<std::optional<Marker>> find_marker(const Caller& caller, std::string_view prefix,
                                             std::string_view name);
  Outcome<std::string> load_value(const Caller& caller, std::string_view key);
  Outcome<void> load_record(const Caller& caller, std::string_view key, Record& out);
  Located locate(const Node& node);
  Outcome<Inode> load(const Caller& caller, const Node& node, const Located& at,
                      Parts parts = Parts::kAll);
  Outcome<Inode> inode_of(const Caller& caller, Ino ino);
  Outcome<void> save(const Caller& caller, const Located& at, const Inode& before,
                     const Inode& after, holt::Batch& batch);
  Outcome<holt::Lsn> apply(const Caller& caller, const holt::Batch& batch);
  Outcome<Entry> entry_of(const Caller& caller, Node& dir, std::string_view prefix,
                          std::string_view name, std::string_view value);

  template <class MakeKey>
  Outcome<Attr> current(const Caller& caller, MakeKey make_key, const Inode& inode);

  // op_*.cc
  Outcome<Entry> make(const Caller& caller, Ino parent, std::string_view name, Inode child);
  Outcome<Entry> insert(const Caller& caller, Ino parent, std::string_view name, Inode child,
                        Limited::Claim& room);
  Outcome<void> begin_passed_writes(const Caller& caller, Ino ino);
  Outcome<void> write_passed(const Caller& caller, Ino ino, bool last);
  void leave_passed();
  Outcome<Orphan> read_orphan(const Caller& caller, Inode inode, std::string_view xattr_prefix);
  Outcome<Removed> removed_directory(const Caller& caller, Inode inode, std::string_view prefix);
  Outcome<Removed> stage_removal(const Caller& caller, const Dir& dir, std::string_view name,
                                 std::string_view value, bool known, holt::Batch& batch);
  void finish_removal(Removed removed, Node* node, holt::Lsn lsn);
  Outcome<void> link_to(const Caller& caller, Node& node, Ino parent, std::string_view name,
                        Inode& linked);
  template <class Work>
  auto alone(const Caller& caller, const Renaming& what, Work work);
  // 0 when done; the number of the directory that has the name.
  Outcome<Ino> rename_file(const Caller& caller, const Renaming& what);
  // The directory's number. 0 when the name is no directory's, or, with `only`, when it is
  // another's or a directory would be replaced.
  Outcome<Ino> rename_directory(const Caller& caller, const Renaming& what, Ino only = {});
  Outcome<Ino> rename_childless(const Caller& caller, const Renaming& what, Ino ino);
  Outcome<Ino> rename_empty(const Caller& caller, const Renaming& what, Ino ino);
  Outcome<Moved> exchange(const Caller& caller, const Renaming& what);
  Outcome<void> sync_replacement(const Caller& caller, const Renaming& what);
  Outcome<DirPair> load_directories(const Caller& caller, const Renaming& what);
  Outcome<Moving> stage_departure(const Caller& caller, const Dir& dir, std::string_view name,
                                  holt::Batch& batch);
  Outcome<Moving> stage_marked(const Caller& caller, const Dir& dir, std::string_view name,
                               const Marker& marker, holt::Batch& batch);
  Outcome<void> stage_old_name(const Caller& caller, const Renaming& what, const Moving& moving,
                               const Dir& from, holt::Batch& batch);
  Outcome<Removed> stage_replaced(const Caller& caller, const Dir& to, std::string_view name,
                                  bool known, holt::Batch& batch);
  Outcome<void> check_depth(const Caller& caller, std::string_view from, std::string_view to);
  static schema::Key below(const Moving& moving, const Dir& dir, std::string_view name);
  void finish_arrival(const Moving& moved, Node* node, Dir& dir, std::string_view name);
  Outcome<void> list(const Caller& caller, Ino ino, std::uint64_t cookie, bool plus,
                     const DirSink& sink, bool note_atime);
  Outcome<bool> give(const Caller& caller, const Dir& dir, std::string_view name,
                     std::string_view value, std::uint64_t cookie, bool plus, const DirSink& sink);
  // op_file.cc
  Outcome<std::optional<std::size_t>> read_bulk(const Caller& caller, Ino ino, std::uint64_t offset,
                                                std::span<char> out, bool note_atime);
  using SizeChange = std::function<Outcome<void>(Inode&, const Located&, holt::Batch&)>;
  Outcome<HostFileRef> host_file_of(const Inode& before);
  Outcome<std::size_t> write_bulk(const Caller& caller, const Inode& before, std::uint64_t offset,
                                  std::string_view bytes, const SizeChange& note);
  std::unexpected<Errno> undo_contents(const Caller& caller, Ino ino, Errno why);
  Outcome<Inode> resize(const Caller& caller, Ino ino, std::uint64_t size,
                        const SizeChange& change);
  // op_space.cc
  using RangeChange = std::function<Outcome<void>(Range)>;
  Outcome<void> with_space(const Caller& caller, const std::function<Outcome<void>()>& work);
  Outcome<void> claim_room(const Caller& caller, Limited::Claim& claim, Amount wanted);
  Outcome<void> fill(const Caller& caller, const HostFile& file, Range range, Limited::Claim& claim,
                     const RangeChange& change);
  Outcome<void> fill_by_parts(const Caller& caller, const HostFile& file, Range range,
                              Limited::Claim& claim, const RangeChange& change);
  Outcome<void> claim_range(const Caller& caller, const HostFile& file, Range range,
                            Limited::Claim& claim);
  Caller once_claimed(const Caller& caller) const;
  void release_forgotten();
  void count_change(const Located& at, const Inode& before, const Inode& after,
                    Limited::Claim* claim);
  void count_nameless(Ino ino);  // REQUIRES: it has a node
  void count_gone(const Orphan& orphan);
  void count_named(const Orphan& orphan);
  // op_packed.cc
  Outcome<void> read_extent(const Caller& caller, const Extent& extent, std::span<char> out);
  Outcome<std::string> read_extents(const Caller& caller, std::span<const Extent> extents,
                                    std::size_t reserve);
  Outcome<std::size_t> read_part(const Caller& caller, const Inode& inode, std::uint64_t offset,
                                 std::span<char> out);
  Outcome<std::optional<std::size_t>> read_packed(const Caller& caller, Ino ino,
                                                  std::uint64_t offset, std::span<char> out,
                                                  bool note_atime);
  bool is_promised(const Extent& extent);
  bool are_promised(std::span<const Extent> extents);
  static constexpr std::uint64_t kMaxRewrittenBytes = 32u << 10;  // while there is a choice
  std::optional<std::size_t> extents_to_keep(
      const Inode& inode, std::uint64_t offset, std::uint64_t length,
      std::uint64_t max_rewritten = kMaxRewrittenBytes) const;
  Outcome<std::size_t> claim_packed(const Caller& caller, Limited::Claim& claim,
                                    const Inode& before, std::uint64_t offset, std::size_t length);
  Outcome<Inode> change_packed(const Caller& caller, const Inode& before, std::size_t keep,
                               std::uint64_t offset, std::string_view bytes,
                               const SizeChange& change, Limited::Claim& claim);
  Outcome<Inode> cut_packed(const Caller& caller, const Inode& before, std::uint64_t size,
                            const SizeChange& change);
  Outcome<std::optional<Inode>> resize_packed(const Caller& caller, const Inode& before,
                                              std::uint64_t size, const SizeChange& change);
  Outcome<void> unpack(const Caller& caller, const Inode& before);
  Outcome<bool> log_contents(const Caller& caller, std::span<const Extent> extents);
  Outcome<void> sync_packed(const Caller& caller, const Inode& inode);
  // packing.cc
  enum class Tidying : std::uint8_t { kAlways, kUnlessOthersDo };
  bool keep_segments(Tidying when);
  void release_dead();
  void empty_segments();
  struct Found;
  bool find_in_victims(std::vector<Found>& found) REQUIRES(emptying_);
  void move_from_victims(std::vector<Found>& found) REQUIRES(emptying_);
  void repoint(const Found& found);
  void retire_segments();
  holt::Result<void> write_segments();
  holt::Result<void> settle_segments();
  // op_atime.cc
  bool touch_atime(const Caller& caller, const Located& at, const Inode& inode);
  void touch_nameless(const Caller& caller, Ino ino);
  Attr shown(const Inode& inode) const;
  bool keep_times(const Inode& before, const Inode& after, const holt::Batch& batch);
  Outcome<void> settle_times(const Caller& caller, const Node& node);
  bool write_oldest_times(const Caller& caller, Ino ino);
  void make_room_for_times(const Caller& caller);
  // op_xattr.cc, op_acl.cc
  Outcome<void> stage_xattr_loss(const Caller& caller, const Located& at, std::string_view name,
                                 Inode& after, holt::Batch& batch);
  static void stage_xattr(const Located& at, std::string_view name, std::string_view value,
                          Inode& after, holt::Batch& batch);
  Outcome<std::string> xattr_of(const Caller& caller, const Located& at, std::string_view name);
  using Xattrs = std::vector<std::pair<std::string_view, std::string>>;
  Outcome<bool> has_xattr(const Caller& caller, const Located& at, const Inode& inode,
                          std::string_view name, std::string_view value);
  Outcome<void> set_acl(const Caller& caller, Ino ino, std::string_view name,
                        std::string_view value);
  Outcome<void> check_xattr_room(const Caller& caller, const Located& at, const Inode& inode,
                                 std::string_view name, std::string_view value, int flags);
  Outcome<Xattrs> inherited_acls(const Caller& caller, const Dir& dir, Inode& child);
  Outcome<void> stage_mode(const Caller& caller, const Located& at, std::uint32_t mode,
                           Inode& after, holt::Batch& batch);
  Outcome<void> stage_capability_loss(const Caller& caller, const Located& at, Inode& after,
                                      holt::Batch& batch);

  // ops.h
  template <class Read>
  auto read_inode(Ino ino, Read read) -> std::invoke_result_t<Read, Node&, const Located&>;
  enum class Values : bool { kNo, kYes };
  template <class Visit>
  Outcome<void> each_xattr(const Caller& caller, std::string_view prefix, Values values,
                           Visit visit);
  // kYes: a change of nothing but times may be kept in memory.
  enum class Lazily : bool { kNo, kYes };
  // What the blocks of the record change by settles `claim`, if there is one.
  template <class Change>
  Outcome<Inode> change_inode(const Caller& caller, Ino ino, Change change,
                              Lazily lazily = Lazily::kNo, Limited::Claim* claim = nullptr);

  const std::string path_;
  const FilesystemOptions options_;
  std::unique_ptr<holt::Store> store_;
  InodeLocks<holt::Rank::kFileData> data_locks_;
  holt::Gate gate_{holt::Rank::kNamespace};
  InodeLocks<holt::Rank::kDirectory> dir_locks_;
  InodeLocks<holt::Rank::kInode> file_locks_;
  Limited limited_;
  Nameless nameless_;           // kept where there are limits
  std::uint64_t block_ = 4096;  // bytes of which the host takes whole ones
  std::unique_ptr<BulkFiles> bulk_;
  std::unique_ptr<Reaper> reaper_;
  SyncFailures syncs_;
  std::unique_ptr<Segments> segments_;
  PackLedger ledger_;
  NodeTable nodes_;
  PassedFiles passed_;
  std::unique_ptr<LazyTimes> lazy_;  // null without lazytime
  std::unique_ptr<Ticker> lazy_ticker_;

  std::atomic<std::uint64_t> next_ino_{0};
  std::atomic<std::uint64_t> reserved_ino_{0};  // numbers below are ours to give out
  // A file's contents may be longer than its record says, and recovery has to look.
  std::atomic<bool> contents_unsure_{false};
  // Records are damaged, whose contents must not be taken for dead.
  bool keeps_all_segments_ = false;
  holt::Mutex state_mutex_{holt::Rank::kFsState};
  holt::Mutex keeping_{holt::Rank::kFsState};
  std::atomic<bool> is_keeping_{false};
  holt::Mutex emptying_{holt::Rank::kUpkeep};
  std::map<std::uint32_t, std::uint64_t> victims_ GUARDED_BY(emptying_);   // with their live bytes
  std::map<std::uint32_t, std::uint64_t> stubborn_ GUARDED_BY(emptying_);  // likewise, after a pass
  std::string emptied_to_ GUARDED_BY(emptying_);  // the last key that the pass has seen
  std::function<void(Ino)> setid_lost_ = [](Ino) {};
  std::function<bool(Ino)> kernel_refers_ = [](Ino) { return true; };
  std::unique_ptr<Ticker> upkeep_ticker_;
  bool started_ = false;
  bool closed_ = false;
};

}  // namespace holtfs
