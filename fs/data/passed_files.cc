#include "fs/data/passed_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace holtfs {

std::optional<PassedFiles::State> state_of(const HostFile& host) {
  struct stat st;
  if (fstat(host.fd(), &st) != 0) return std::nullopt;
  return PassedFiles::State{.size = static_cast<std::uint64_t>(st.st_size),
                            .blocks = static_cast<std::uint64_t>(st.st_blocks),
                            .mtime = time_from(st.st_mtim),
                            .atime = time_from(st.st_atim)};
}

std::optional<PassedFiles::Opens> PassedFiles::find(Ino ino) const {
  const holt::MutexLock lock(mutex_);
  const auto found = entries_.find(number_of(ino));
  return found == entries_.end() ? std::nullopt : std::optional(found->second.opens);
}

void PassedFiles::add(Ino ino) {
  const holt::MutexLock lock(mutex_);
  entries_[number_of(ino)].opens.count = 1;
}

bool PassedFiles::add(Ino ino, NodePin node, HostFileRef host, int backing_id) {
  const auto base = state_of(*host);
  if (!base) return false;
  const holt::MutexLock lock(mutex_);
  entries_.emplace(number_of(ino), Entry{.opens = {.count = 1, .backing_id = backing_id},
                                         .host = std::move(host),
                                         .base = *base,
                                         .node = std::move(node)});
  ++passed_;
  ever_ = true;
  return true;
}

void PassedFiles::open_again(Ino ino) {
  const holt::MutexLock lock(mutex_);
  ++entries_.at(number_of(ino)).opens.count;
}

void PassedFiles::close_one(Ino ino) {
  const holt::MutexLock lock(mutex_);
  --entries_.at(number_of(ino)).opens.count;
}

void PassedFiles::set_writes(Ino ino, bool writes) {
  const holt::MutexLock lock(mutex_);
  entries_.at(number_of(ino)).opens.writes = writes;
}

void PassedFiles::erase(Ino ino) {
  decltype(entries_)::node_type gone;  // outlives the lock
  const holt::MutexLock lock(mutex_);
  gone = entries_.extract(number_of(ino));
  if (gone && gone.mapped().host != nullptr) --passed_;
}

template <class Attributes>
std::optional<PassedFiles::State> PassedFiles::merge(Attributes& out) const {
  if (!any()) return std::nullopt;
  HostFileRef host;
  State base;
  {
    const holt::MutexLock lock(mutex_);
    const auto found = entries_.find(number_of(out.ino));
    if (found == entries_.end() || found->second.host == nullptr) return std::nullopt;
    host = found->second.host;
    base = found->second.base;
  }
  const auto state = state_of(*host);
  if (!state) return std::nullopt;
  out.size = state->size;
  out.blocks = state->blocks;
  if (state->mtime != base.mtime) {
    out.mtime = state->mtime;
    out.ctime = std::max(out.ctime, state->mtime);
  }
  if (atimes_ && state->atime != base.atime) out.atime = state->atime;
  return state;
}

template std::optional<PassedFiles::State> PassedFiles::merge(Inode& out) const;
template std::optional<PassedFiles::State> PassedFiles::merge(Attr& out) const;

void PassedFiles::rebase(const Inode& inode, State state) {
  const holt::MutexLock lock(mutex_);
  const auto found = entries_.find(number_of(inode.ino));
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const bool moves_atime = atimes_ && inode.atime != state.atime;
  if (entry.opens.writes && (moves_atime || inode.mtime != state.mtime)) {
    timespec times[2] = {to_timespec(inode.atime), to_timespec(inode.mtime)};
    if (!atimes_) times[0].tv_nsec = UTIME_OMIT;
    (void)futimens(entry.host->fd(), times);
    state = state_of(*entry.host).value_or(state);
  }
  entry.base = state;
}

std::vector<Ino> PassedFiles::all_passed() const {
  std::vector<Ino> out;
  const holt::MutexLock lock(mutex_);
  for (const auto& [ino, entry] : entries_) {
    if (entry.host != nullptr) out.push_back(Ino{ino});
  }
  return out;
}

}  // namespace holtfs
