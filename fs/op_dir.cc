// readdir, readdirplus.
//
// A listing is one scan of a directory's dentries in the order of their names. Where it goes on is
// a place in that order (dir_cookies.h), so entries that come and go meanwhile neither hide nor
// repeat others.
#include <dirent.h>

#include "fs/ops.h"

namespace holtfs {

namespace {

// Holds one dentry back until its successor is known, because the cookie depends on both.
struct Held {
  std::string name, value;
  bool full = false;
};

}  // namespace

Outcome<void> Filesystem::readdir(const Caller& caller, Ino ino, std::uint64_t cookie,
                                  const DirSink& sink, bool note_atime) {
  make_room_for_times(caller);
  return list(caller, ino, cookie, false, sink, note_atime);
}

Outcome<void> Filesystem::readdirplus(const Caller& caller, Ino ino, std::uint64_t cookie,
                                      const DirSink& sink, bool note_atime) {
  make_room_for_times(caller);
  return list(caller, ino, cookie, true, sink, note_atime);
}

// Gives one dentry to the sink, with its attributes and one lookup more when `plus`. False: no
// room.
Outcome<bool> Filesystem::give(const Caller& caller, const Dir& dir, std::string_view name,
                               std::string_view value, std::uint64_t cookie, bool plus,
                               const DirSink& sink) {
  const holt::Result<Marker> marker = decode_marker(value);
  if (!marker) return fail(marker.error());
  if (!plus) return sink({name, marker->ino, marker->type, cookie, nullptr});
  const Outcome<Entry> entry = entry_of(caller, *dir.node, dir.prefix, name, value);
  // One that cannot be read is shown by its name alone, so that it does not hide those behind it.
  if (!entry && entry.error() != kWouldWait) {
    return sink({name, marker->ino, marker->type, cookie, nullptr});
  }
  if (!entry) return fail(entry.error());
  const bool taken = sink({name, marker->ino, marker->type, cookie, &entry->attr});
  if (!taken) nodes_.release(marker->ino, 1);
  return taken;
}

Outcome<void> Filesystem::list(const Caller& caller, Ino ino, std::uint64_t cookie, bool plus,
                               const DirSink& sink, bool note_atime) {
  const holt::SharedGate gate(gate_);
  const Outcome<Node*> node = directory_node(ino);
  if (!node) return fail(node.error());
  const auto lock = dir_locks_.shared(ino);
  if ((*node)->place == Place::kOrphan) return {};  // removed, and so empty
  Outcome<Dir> dir = load_directory(caller, ino);
  if (!dir) return fail(dir.error());
  DirCookies& cookies = nodes_.cookies_of(**node);
  const std::optional<DirPosition> at = cookies.position(cookie);
  if (!at) return {};  // a place that nobody was told; nothing follows it

  if (cookie == kStartCookie && note_atime && options_.diratime) {
    touch_atime(caller, locate(**node), dir->before);
  }
  const Ino up = (*node)->parent != nullptr ? (*node)->parent->ino : ino;
  if (cookie < kAfterDot && !sink({".", ino, DT_DIR, kAfterDot, nullptr})) return {};
  if (cookie < kAfterDotDot && !sink({"..", up, DT_DIR, kAfterDotDot, nullptr})) return {};
  bool given = cookie < kAfterDotDot;

  const std::string prefix = schema::entries_prefix(dir->prefix);
  const std::string after = at->stem.empty() ? std::string() : prefix + at->stem;
  holt::Cursor cursor = store_->scan({.prefix = prefix,
                                      .after = after,
                                      .after_subtree = !after.empty() && !at->exact,
                                      .wait = caller.wait});
  Held held;
  while (true) {
    const holt::Result<bool> more = cursor.next();
    // What is given so far is a good answer; the caller comes back for the rest.
    if (!more && given) return {};
    if (!more) return fail(more.error());
    const std::string_view next = *more ? cursor.key().substr(prefix.size()) : std::string_view();
    if (held.full) {
      const std::uint64_t behind = cookies.cookie_after(held.name, next);
      const auto taken = give(caller, *dir, held.name, held.value, behind, plus, sink);
      if (!taken && given) return {};
      if (!taken) return fail(taken.error());
      if (!*taken) return {};
      given = true;
    }
    if (!*more) return {};
    held.name = next;
    held.value = cursor.value();
    held.full = true;
  }
}

}  // namespace holtfs
