// Requests that list directories.
#include <memory>
#include <vector>

#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"
#include "fs/fuse/libfuse_setup.h"

namespace holtfs {

namespace {

// One answer's worth of a listing, packed as the kernel wants it.
struct Page {
  explicit Page(std::size_t size)
      : bytes(std::make_unique_for_overwrite<char[]>(size)), room(size) {}

  std::unique_ptr<char[]> bytes;
  std::size_t room, used = 0;
  std::vector<Ino> looked_up;  // to be forgotten if the kernel does not take the page
};

struct stat shown(const DirEntry& entry) {
  if (entry.attr != nullptr) return to_stat(*entry.attr);
  struct stat st = {};
  st.st_ino = number_of(entry.ino);
  st.st_mode = static_cast<mode_t>(entry.type) << 12;
  return st;
}

// Adds one entry; false when it does not fit.
bool add_entry(fuse_req_t request, const DirEntry& entry, bool plus, Page& page) {
  Name name(entry.name);
  name.push_back('\0');
  char* const at = page.bytes.get() + page.used;
  const std::size_t left = page.room - page.used;
  const auto offset = static_cast<off_t>(entry.cookie);
  std::size_t needed = 0;
  if (plus) {
    fuse_entry_param param = {};
    // "." and ".." are not looked up, and the kernel knows them by number 0.
    param.ino = entry.attr != nullptr ? number_of(entry.ino) : 0;
    param.attr = shown(entry);
    param.attr_timeout = param.entry_timeout = kTimeoutSeconds;
    needed = fuse_add_direntry_plus(request, at, left, name.data(), &param, offset);
  } else {
    const struct stat st = shown(entry);
    needed = fuse_add_direntry(request, at, left, name.data(), &st, offset);
  }
  if (needed > left) return false;  // nothing was written
  page.used += needed;
  if (plus && entry.attr != nullptr) page.looked_up.push_back(entry.ino);
  return true;
}

void list(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset, bool plus,
          const fuse_file_info& info) {
  Connection& connection = connection_of(request);
  const bool note_atime = (info.flags & O_NOATIME) == 0;
  const auto read_page = [=](Filesystem& fs, const Caller& caller) -> Outcome<Page> {
    Page page(room);
    const auto cookie = static_cast<std::uint64_t>(offset);
    const DirSink sink = [&](const DirEntry& entry) {
      return add_entry(request, entry, plus, page);
    };
    const Outcome<void> listed = plus ? fs.readdirplus(caller, Ino{ino}, cookie, sink, note_atime)
                                      : fs.readdir(caller, Ino{ino}, cookie, sink, note_atime);
    if (!listed) return fail(listed.error());
    return page;
  };
  serve(request, read_page, [&fs = connection.fs](Reply& reply, Page& page) {
    if (reply.buffer({page.bytes.get(), page.used})) return;
    for (const Ino looked_up : page.looked_up) fs.forget(looked_up, 1);
  });
}

void on_readdir(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset,
                fuse_file_info* info) noexcept {
  list(request, ino, room, offset, false, *info);
}

void on_readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset,
                    fuse_file_info* info) noexcept {
  list(request, ino, room, offset, true, *info);
}

// Once answered so, the kernel opens and closes directories by itself and caches what they hold.
void on_opendir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) noexcept {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  if (connection.no_opendir) return reply.error(ENOSYS);
  info->keep_cache = 1;
  info->cache_readdir = 1;
  (void)reply.opened(*info);
}

void on_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info*) noexcept {
  Reply(connection_of(request).unanswered, request).done();
}

void on_fsyncdir(fuse_req_t request, fuse_ino_t ino, int datasync, fuse_file_info*) noexcept {
  Connection& connection = connection_of(request);
  const auto finish = [&connection](Reply reply) {
    answer_when_durable(connection, std::move(reply), [](Reply& later) { later.done(); });
  };
  if (datasync != 0 || !connection.fs.has_lazy_times(Ino{ino})) {
    return finish(Reply(connection.unanswered, request));
  }
  serve(
      request,
      [ino](Filesystem& fs, const Caller& caller) {
        return done(fs.write_times(caller, Ino{ino}));
      },
      [finish](Reply& reply, Done&) { finish(std::move(reply)); });
}

}  // namespace

void add_directory_handlers(fuse_lowlevel_ops& ops) {
  ops.readdir = on_readdir;
  ops.readdirplus = on_readdirplus;
  ops.opendir = on_opendir;
  ops.releasedir = on_releasedir;
  ops.fsyncdir = on_fsyncdir;
}

}  // namespace holtfs
