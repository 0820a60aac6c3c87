// Requests that look up, make, move and remove names.
#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"

namespace holtfs {

namespace {

// An entry that the kernel did not take is forgotten on its behalf.
auto answer_entry(fuse_req_t request) {
  return [&fs = connection_of(request).fs](Reply& reply, Entry& entry) {
    if (!reply.entry(entry)) fs.forget(entry.attr.ino, 1);
  };
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
  // A missing name is an answer too, which the kernel remembers.
  auto look_up = [parent, name = Name(name)](Filesystem& fs,
                                             const Caller& caller) -> Outcome<Entry> {
    Outcome<Entry> entry = fs.lookup(caller, Ino{parent}, name);
    if (!entry && entry.error() == Errno{ENOENT}) return Entry{};
    return entry;
  };
  serve(request, std::move(look_up), [answer = answer_entry(request)](Reply& reply, Entry& entry) {
    if (entry.attr.ino == Ino{}) return reply.no_entry();
    answer(reply, entry);
  });
}

void on_forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) noexcept {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  connection.fs.forget(Ino{ino}, lookups);
  reply.none();
}

void on_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) noexcept {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  for (std::size_t i = 0; i < count; ++i) {
    connection.fs.forget(Ino{forgets[i].ino}, forgets[i].nlookup);
  }
  reply.none();
}

void on_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
              dev_t rdev) noexcept {
  serve_change(
      request,
      [parent, name = Name(name), mode, rdev](Filesystem& fs, const Caller& caller) {
        return fs.mknod(caller, Ino{parent}, name, mode, rdev);
      },
      answer_entry(request));
}

void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) noexcept {
  serve_change(
      request,
      [parent, name = Name(name), mode](Filesystem& fs, const Caller& caller) {
        return fs.mkdir(caller, Ino{parent}, name, mode);
      },
      answer_entry(request));
}

void on_symlink(fuse_req_t request, const char* target, fuse_ino_t parent,
                const char* name) noexcept {
  serve_change(
      request,
      [target = std::string(target), parent, name = Name(name)](Filesystem& fs,
                                                                const Caller& caller) {
        return fs.symlink(caller, Ino{parent}, name, target);
      },
      answer_entry(request));
}

void on_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) noexcept {
  serve_change(
      request,
      [ino, parent, name = Name(name)](Filesystem& fs, const Caller& caller) {
        return fs.link(caller, Ino{ino}, Ino{parent}, name);
      },
      answer_entry(request));
}

void on_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
  serve_change(
      request,
      [parent, name = Name(name)](Filesystem& fs, const Caller& caller) {
        return done(fs.unlink(caller, Ino{parent}, name));
      },
      kAnswerDone);
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept {
  serve_change(
      request,
      [parent, name = Name(name)](Filesystem& fs, const Caller& caller) {
        return done(fs.rmdir(caller, Ino{parent}, name));
      },
      kAnswerDone);
}

void on_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) noexcept {
  serve_change(
      request,
      [parent, name = Name(name), new_parent, new_name = Name(new_name), flags](
          Filesystem& fs, const Caller& caller) {
        return fs.rename(caller, Ino{parent}, name, Ino{new_parent}, new_name, flags);
      },
      [&connection = connection_of(request)](Reply& reply, const Filesystem::Moved& moved) {
        // The kernel's listing of it has another "..".
        for (const Ino directory : moved) {
          if (directory != Ino{}) connection.forget_pages(directory);
        }
        reply.done();
      });
}

}  // namespace

void add_namespace_handlers(fuse_lowlevel_ops& ops) {
  ops.lookup = on_lookup;
  ops.forget = on_forget;
  ops.forget_multi = on_forget_multi;
  ops.mknod = on_mknod;
  ops.mkdir = on_mkdir;
  ops.symlink = on_symlink;
  ops.link = on_link;
  ops.unlink = on_unlink;
  ops.rmdir = on_rmdir;
  ops.rename = on_rename;
}

}  // namespace holtfs
