#include "engine/storage/store_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "engine/base/buffer.h"
#include "engine/format.h"

namespace holt {

namespace {

bool is_log_segment(std::string_view name) {
  if (!name.starts_with("wal.") || name.size() == 4) return false;
  return std::ranges::all_of(name.substr(4), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_ours(std::string_view name) {
  return name == "superblock" || name == "map.0" || name == "map.1" || name == "blobs" ||
         name == "LOCK" || is_log_segment(name);
}

// lost+found: a store may be the root of a host filesystem of its own.
bool is_foreign(const std::string& name) { return !is_ours(name) && name != "lost+found"; }

Result<std::vector<std::string>> names_in(const StoreDirectory& store) {
  auto fd = open_at(store.directory.get(), ".", O_RDONLY | O_DIRECTORY, store.path);
  if (!fd) return pass(fd);
  const int raw = ::dup(fd->get());
  if (raw < 0) return fail_errno(errno, "cannot read " + store.path);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(raw), ::closedir);
  if (!dir) {
    ::close(raw);
    return fail_errno(errno, "cannot read " + store.path);
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const struct dirent* const entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return fail_errno(errno, "cannot read " + store.path);
  return names;
}

// For its owner only, as a block device would be: it holds everybody's names, and its lock keeps
// others out.
Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail_errno(errno, "cannot make " + path);
}

// The name of a directory that holds a new store is durable, whoever made it, and when.
Result<void> sync_parent(const StoreDirectory& store) {
  const std::string shown = store.shown("..");
  auto parent = open_at(store.directory.get(), "..", O_RDONLY | O_DIRECTORY, shown);
  if (!parent) return pass(parent);
  return sync_all(parent->get(), shown);
}

// Whether the first `bytes` of a file hold nothing: missing, empty or zeros.
Result<bool> is_blank(const StoreDirectory& store, const std::string& name, std::size_t bytes) {
  auto fd = open_at(store.directory.get(), name, O_RDONLY, store.shown(name));
  if (!fd && fd.error().sys_errno() == ENOENT) return true;
  if (!fd) return pass(fd);
  std::vector<std::byte> buffer(bytes);
  auto got = read_up_to(fd->get(), buffer, 0, store.shown(name));
  if (!got) return pass(got);
  return all_zero(std::span(buffer).first(*got));
}

Error no_store(const StoreDirectory& store) {
  return Error(Code::kInvalid, "there is no store in " + store.path);
}

// Looks without changing anything, so that a directory of somebody else's stays as it is.
Result<bool> looks_fresh(const StoreDirectory& store, const PosixStorageOptions& options) {
  auto blank = is_blank(store, "superblock", 2 * kSuperblockStride);
  if (!blank || !*blank) return blank;
  if (options.read_only || !options.create) return std::unexpected(no_store(store));
  auto names = names_in(store);
  if (!names) return pass(names);
  const auto foreign = std::ranges::find_if(*names, is_foreign);
  if (foreign != names->end()) {
    return fail(Code::kInvalid, store.path + " holds no store, but something else (" + *foreign +
                                    "): choose an empty directory");
  }
  // The first superblock precedes the first record.
  auto unused = is_blank(store, "wal.0", kDiskPage);
  if (!unused) return unused;
  if (!*unused) {
    return fail(Code::kCorrupt, store.shown("superblock") + " is empty although the log is not");
  }
  return true;
}

bool is_marked_closing(int lock) {
  struct stat st;
  return ::fstat(lock, &st) == 0 && st.st_size > 0;
}

// Whoever closes the store says so in LOCK and is waited for. An end that was not announced yet (a
// mount is gone for its user a moment before its daemon knows) is granted a moment.
Result<void> wait_for_lock(const StoreDirectory& store, int lock, int mode) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kMoment{1}, kClosing{60};
  constexpr std::chrono::milliseconds kPause{10};
  const Clock::time_point start = Clock::now();
  while (::flock(lock, mode | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock " + store.shown("LOCK"));
    const bool closing = is_marked_closing(lock);
    if (Clock::now() - start > (closing ? kClosing : kMoment)) {
      return fail(Code::kBusy, closing
                                   ? store.path + " is still being closed: try again later"
                                   : store.path + " is in use: end the program that has it open");
    }
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

Result<void> take_lock(StoreDirectory& store, bool read_only) {
  const std::string shown = store.shown("LOCK");
  auto fd = open_at(store.directory.get(), "LOCK", read_only ? O_RDONLY : O_RDWR | O_CREAT, shown);
  if (!fd && read_only && fd.error().sys_errno() == ENOENT) return {};
  if (!fd) return pass(fd);
  auto taken = wait_for_lock(store, fd->get(), read_only ? LOCK_SH : LOCK_EX);
  if (!taken) return taken;
  if (!read_only && is_marked_closing(fd->get())) {
    if (auto cleared = truncate_to(fd->get(), 0, shown); !cleared) return cleared;
  }
  store.lock = std::move(*fd);
  return {};
}

// What an interrupted making left behind.
Result<void> remove_remains(const StoreDirectory& store) {
  auto names = names_in(store);
  if (!names) return pass(names);
  for (const std::string& name : *names) {
    if (!is_ours(name) || name == "LOCK") continue;
    if (::unlinkat(store.directory.get(), name.c_str(), 0) != 0) {
      return fail_errno(errno, "cannot remove " + store.shown(name));
    }
  }
  return {};
}

}  // namespace

Result<StoreDirectory> open_store_directory(const std::string& path,
                                            const PosixStorageOptions& options) {
  if (options.create && !options.read_only) {
    if (auto made = make_directory(path); !made) return pass(made);
  }
  StoreDirectory store{.path = path, .directory = {}, .lock = {}};
  auto directory = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, path);
  if (!directory && directory.error().sys_errno() == ENOENT)
    return std::unexpected(no_store(store));
  if (!directory && directory.error().sys_errno() == ENOTDIR) {
    return fail(Code::kInvalid, path + " is not a directory");
  }
  if (!directory) return pass(directory);
  store.directory = std::move(*directory);

  if (auto fresh = looks_fresh(store, options); !fresh) return pass(fresh);
  if (auto locked = take_lock(store, options.read_only); !locked) return pass(locked);
  // Again: another process may have made a store here meanwhile.
  auto fresh = looks_fresh(store, options);
  if (!fresh) return pass(fresh);
  store.fresh = *fresh;
  if (store.fresh) {
    if (auto removed = remove_remains(store); !removed) return pass(removed);
    if (auto synced = sync_parent(store); !synced) return pass(synced);
  }
  return store;
}

void mark_closing(const StoreDirectory& store) {
  // Best effort: without the mark whoever comes next waits for a moment only.
  [[maybe_unused]] const ssize_t written = ::pwrite(store.lock.get(), "closing\n", 8, 0);
}

}  // namespace holt
