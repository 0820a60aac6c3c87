// Requests that list directories.
#include <vector>

#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"

namespace holtfs {

namespace {

// One answer's worth of a listing, packed as the kernel wants it.
struct Page {
  std::string bytes;
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
bool add_entry(fuse_req_t request, const DirEntry& entry, bool plus, double timeout,
               std::size_t room, Page& page) {
  const std::string name(entry.name);
  const std::size_t used = page.bytes.size();
  const auto offset = static_cast<off_t>(entry.cookie);
  const auto pack = [&](char* at, std::size_t left) {
    if (!plus) {
      const struct stat st = shown(entry);
      return fuse_add_direntry(request, at, left, name.c_str(), &st, offset);
    }
    fuse_entry_param param = {};
    // "." and ".." are not looked up, and the kernel knows them by number 0.
    param.ino = entry.attr != nullptr ? number_of(entry.ino) : 0;
    param.attr = shown(entry);
    param.attr_timeout = param.entry_timeout = timeout;
    return fuse_add_direntry_plus(request, at, left, name.c_str(), &param, offset);
  };
  const std::size_t needed = pack(nullptr, 0);
  if (used + needed > room) return false;
  page.bytes.resize(used + needed);
  pack(page.bytes.data() + used, needed);
  if (plus && entry.attr != nullptr) page.looked_up.push_back(entry.ino);
  return true;
}

void list(fuse_req_t request, fuse_ino_t ino, std::size_t room, off_t offset, bool plus,
          const fuse_file_info& info) {
  Connection& connection = connection_of(request);
  const bool note_atime = (info.flags & O_NOATIME) == 0;
  const double timeout = connection.settings.timeout;
  const auto read_page = [=](Filesystem& fs, const Caller& caller) -> Outcome<Page> {
    Page page;
    page.bytes.reserve(room);
    const auto cookie = static_cast<std::uint64_t>(offset);
    const DirSink sink = [&](const DirEntry& entry) {
      return add_entry(request, entry, plus, timeout, room, page);
    };
    const Outcome<void> listed = plus ? fs.readdirplus(caller, Ino{ino}, cookie, sink, note_atime)
                                      : fs.readdir(caller, Ino{ino}, cookie, sink, note_atime);
    if (!listed) return fail(listed.error());
    return page;
  };
  serve(request, read_page, [&fs = connection.fs](Reply& reply, Page& page) {
    if (reply.buffer(page.bytes)) return;
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
  Reply reply(connection.settings, request);
  if (connection.no_opendir) return reply.error(ENOSYS);
  info->keep_cache = 1;
  info->cache_readdir = 1;
  (void)reply.opened(*info);
}

void on_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info*) noexcept {
  Reply(connection_of(request).settings, request).done();
}

void on_fsyncdir(fuse_req_t request, fuse_ino_t ino, int datasync, fuse_file_info*) noexcept {
  Connection& connection = connection_of(request);
  const auto finish = [&connection](Reply reply) {
    answer_when_durable(connection, std::move(reply), [](Reply& later) { later.done(); });
  };
  if (datasync != 0 || !connection.fs.has_lazy_times(Ino{ino})) {
    return finish(Reply(connection.settings, request));
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
