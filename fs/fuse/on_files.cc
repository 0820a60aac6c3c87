// Requests about the contents of files.
#include "fs/fuse/connection.h"
#include "fs/fuse/handlers.h"
#include "fs/fuse/passthrough.h"

namespace holtfs {

namespace {

struct Created {
  Entry entry;
  int backing_id;
};

// How a file is opened for this request. Opens are not counted where closes are not told.
class Opener {
 public:
  Opener(fuse_req_t request, const fuse_file_info& info)
      : backing_(backing_of(request)),
        counts_(connection_of(request).passthrough),
        writes_((info.flags & O_ACCMODE) != O_RDONLY),
        durably_((info.flags & O_DSYNC) != 0 || connection_of(request).options.sync_contents) {}

  Outcome<int> open(Filesystem& fs, const Caller& caller, Ino ino) const {
    return counts_ ? fs.open_passed(caller, ino, writes_, backing_) : 0;
  }
  // Opens what was just made, which cannot be done again: so this may wait.
  Outcome<Created> open_made(Filesystem& fs, const Outcome<Entry>& entry) const {
    if (!entry) return fail(entry.error());
    const auto opened = open(fs, {}, entry->attr.ino);
    if (opened) return Created{*entry, *opened};
    fs.forget(entry->attr.ino, 1);
    return fail(opened.error());
  }
  // What is then written synchronously counts at once: so must the file's name, and the word that
  // it is written past its record.
  bool durably() const { return counts_ && writes_ && durably_; }
  // The kernel did not take the answer. The request is gone, and with it the way to take a host
  // file back, which the end of the mount does.
  void close(Filesystem& fs, Ino ino) const {
    if (counts_) (void)fs.close_passed({}, ino, {.open = {}, .close = [](int) {}});
  }

 private:
  Backing backing_;
  bool counts_, writes_, durably_;
};

// An entry that the kernel did not take is forgotten on its behalf.
auto answer_created(fuse_req_t request, const Opener& opener, const fuse_file_info& info) {
  return [&fs = connection_of(request).fs, opener, info](Reply& reply, Created& created) {
    fuse_file_info given = info;
    set_opened(created.backing_id, given);
    const Ino ino = created.entry.attr.ino;
    if (reply.created(created.entry, given)) return;
    opener.close(fs, ino);
    fs.forget(ino, 1);
  };
}

// Where the kernel opens files by itself, MKNOD does as well, and is not followed by RELEASE.
void on_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* info) noexcept {
  Connection& connection = connection_of(request);
  if (connection.no_open) return Reply(connection.unanswered, request).error(ENOSYS);
  const Placement placement = connection.passthrough ? Placement::kBulk : Placement::kNone;
  const Opener opener(request, *info);
  auto work = [parent, name = Name(name), mode, exclusive = (info->flags & O_EXCL) != 0, placement,
               opener](Filesystem& fs, const Caller& caller) {
    return opener.open_made(fs, fs.create(caller, Ino{parent}, name, mode, exclusive, placement));
  };
  const auto answer = answer_created(request, opener, *info);
  if (opener.durably()) return serve_durably(request, std::move(work), answer);
  serve_change(request, std::move(work), answer);
}

void on_tmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* info) noexcept {
  const Opener opener(request, *info);
  serve(
      request,
      [parent, mode, opener](Filesystem& fs, const Caller& caller) {
        return opener.open_made(fs, fs.tmpfile(caller, Ino{parent}, mode));
      },
      answer_created(request, opener, *info));
}

// Once answered ENOSYS, the kernel opens and closes files by itself. A file lives until it is
// forgotten, which the kernel does not do while it is open.
void on_open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) noexcept {
  Connection& connection = connection_of(request);
  if (connection.no_open) return Reply(connection.unanswered, request).error(ENOSYS);
  const Opener opener(request, *info);
  const auto answer = [&fs = connection.fs, ino, opener, info = *info](Reply& reply, int opened) {
    fuse_file_info given = info;
    set_opened(opened, given);
    if (!reply.opened(given)) opener.close(fs, Ino{ino});
  };
  const auto work = [ino, opener](Filesystem& fs, const Caller& caller) {
    return opener.open(fs, caller, Ino{ino});
  };
  if (opener.durably()) return serve_durably(request, work, answer);
  serve(request, work, answer);
}

void on_flush(fuse_req_t request, fuse_ino_t, fuse_file_info*) noexcept {
  Reply(connection_of(request).unanswered, request).error(ENOSYS);
}

void on_release(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) noexcept {
  Connection& connection = connection_of(request);
  if (!connection.passthrough) return Reply(connection.unanswered, request).done();
  serve(
      request,
      [ino, backing = backing_of(request)](Filesystem& fs, const Caller& caller) {
        return done(fs.close_passed(caller, Ino{ino}, backing));
      },
      kAnswerDone);
}

// What the host's disks ask of O_DIRECT, as a program finds on any disk filesystem. The caller's
// address, which has to be aligned there too, is not known here.
bool is_misaligned(const fuse_file_info& info, std::size_t size, off_t offset) {
  constexpr std::size_t kSector = 512;
  return (info.flags & O_DIRECT) != 0 && (static_cast<std::size_t>(offset) | size) % kSector != 0;
}

void on_read(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
             fuse_file_info* info) noexcept {
  if (is_misaligned(*info, size, offset)) {
    return Reply(connection_of(request).unanswered, request).error(EINVAL);
  }
  const bool note_atime = (info->flags & O_NOATIME) == 0;
  serve(
      request,
      [ino, size, offset, note_atime](Filesystem& fs,
                                      const Caller& caller) -> Outcome<std::string_view> {
        // Answered by the thread that read it, before it reads again.
        thread_local std::vector<char> buffer;
        if (buffer.size() < size) buffer.resize(size);
        const Outcome<std::size_t> got =
            fs.read(caller, Ino{ino}, static_cast<std::uint64_t>(offset),
                    std::span(buffer.data(), size), note_atime);
        if (!got) return fail(got.error());
        return std::string_view(buffer.data(), *got);
      },
      [](Reply& reply, std::string_view& bytes) { reply.buffer(bytes); });
}

// Writes from the request's own memory, which is only copied when a worker has to finish it.
struct WriteWork {
  fuse_ino_t ino;
  std::uint64_t offset;
  bool drop_setid;
  // Pages of a mapping: the kernel takes them for written unless it is told an error, which it has
  // for the next fsync or msync.
  bool whole_or_error;
  std::string_view bytes;
  std::string copy;

  void keep() { copy = bytes; }
  Outcome<std::size_t> operator()(Filesystem& fs, const Caller& caller) const {
    const std::string_view all = copy.empty() ? bytes : copy;
    std::size_t written = 0;
    do {
      const auto put =
          fs.write(caller, Ino{ino}, offset + written, all.substr(written), drop_setid);
      if (!put) return put;
      written += *put;
    } while (whole_or_error && written < all.size());
    return written;
  }
};

void on_write(fuse_req_t request, fuse_ino_t ino, const char* bytes, std::size_t size, off_t offset,
              fuse_file_info* info) noexcept {
  if (is_misaligned(*info, size, offset)) {
    return Reply(connection_of(request).unanswered, request).error(EINVAL);
  }
  serve(request,
        WriteWork{.ino = ino,
                  .offset = static_cast<std::uint64_t>(offset),
                  .drop_setid = info->kill_suidgid != 0,
                  .whole_or_error = info->writepage != 0,
                  .bytes = {bytes, size},
                  .copy = {}},
        [](Reply& reply, std::size_t& written) { reply.written(written); });
}

void on_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length,
                  fuse_file_info*) noexcept {
  serve_resize(
      request, Ino{ino},
      [=](Filesystem& fs, const Caller& caller) {
        return done(fs.fallocate(caller, Ino{ino}, mode, static_cast<std::uint64_t>(offset),
                                 static_cast<std::uint64_t>(length)));
      },
      kAnswerDone);
}

// Whether what the host says cannot change by what is still to be written back, which only makes
// holes into data.
bool is_final(Filesystem& fs, Ino ino, int whence, std::uint64_t offset, std::uint64_t found) {
  if (whence == SEEK_DATA) return found == offset;
  const Outcome<Attr> attr = fs.getattr({.who = {}, .wait = holt::Wait::kNo}, ino);
  return attr && found >= attr->size;  // no hole but the end
}

// The kernel asks without having written back what was stored through a mapping: where that may
// matter, it is told to before the host is asked again. By a thread of its own: it waits for READ
// and WRITE requests, which the workers may have to carry out.
void on_lseek(fuse_req_t request, fuse_ino_t ino, off_t start, int whence,
              fuse_file_info*) noexcept {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  const auto offset = static_cast<std::uint64_t>(start);
  const auto seek = [=, &fs = connection.fs](holt::Wait wait) {
    return fs.lseek({.who = {}, .wait = wait}, Ino{ino}, offset, whence);
  };
  const auto answer = [](Reply& to, const Outcome<std::uint64_t>& found) {
    found ? to.offset(*found) : to.error(value_of(found.error()));
  };
  const Outcome<std::uint64_t> found = seek(connection.ending ? holt::Wait::kYes : holt::Wait::kNo);
  const bool known = found && is_final(connection.fs, Ino{ino}, whence, offset, *found);
  if (known || connection.ending) return answer(reply, found);
  connection.seekers.post(
      [=, &connection, token = Deferred(connection), reply = std::move(reply)]() mutable {
        connection.forget_pages(Ino{ino}, offset);
        answer(reply, seek(holt::Wait::kYes));
      });
}

// Contents and times that are not in the record yet first, by a thread for syncs if they cannot go
// along with the log, then the log, which answers for the whole group.
void on_fsync(fuse_req_t request, fuse_ino_t ino, int datasync, fuse_file_info*) noexcept {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  const bool times = datasync == 0 && connection.fs.has_lazy_times(Ino{ino});
  const auto finish = [&connection, ino, times](Reply held, bool contents) {
    Outcome<void> synced;
    if (contents) synced = connection.fs.sync_contents(Ino{ino});
    if (synced && contents) synced = connection.fs.sync_passed(Ino{ino});
    if (synced && times) synced = connection.fs.write_times({}, Ino{ino});
    if (!synced) return held.error(value_of(synced.error()));
    answer_when_durable(connection, std::move(held), [](Reply& later) { later.done(); });
  };
  const bool contents = !connection.fs.sync_at_once(Ino{ino});
  if ((!contents && !times) || connection.ending) return finish(std::move(reply), contents);
  connection.syncers.post(
      [finish, contents, token = Deferred(connection), reply = std::move(reply)]() mutable {
        finish(std::move(reply), contents);
      });
}

}  // namespace

void add_file_handlers(fuse_lowlevel_ops& ops) {
  ops.create = on_create;
  ops.tmpfile = on_tmpfile;
  ops.open = on_open;
  ops.flush = on_flush;
  ops.release = on_release;
  ops.read = on_read;
  ops.write = on_write;
  ops.fallocate = on_fallocate;
  ops.lseek = on_lseek;
  ops.fsync = on_fsync;
}

}  // namespace holtfs
