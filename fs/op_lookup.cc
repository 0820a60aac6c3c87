// lookup, forget.
#include "fs/ops.h"

namespace holtfs {

Outcome<Entry> Filesystem::lookup(const Caller& caller, Ino parent, std::string_view name) {
  if (const int bad = check_name(name)) return fail(bad);
  const holt::SharedGate gate(gate_);
  const auto lock = dir_locks_.shared(parent);
  const Outcome<Node*> dir = directory_node(parent);
  if (!dir) return fail(dir.error());
  if ((*dir)->place == Place::kOrphan) return fail(ENOENT);
  const schema::Key prefix = schema::prefix_of(**dir);
  Record value;
  const auto loaded = load_record(caller, schema::entry_key(prefix, name), value);
  if (!loaded) return fail(loaded.error());
  return entry_of(caller, **dir, prefix, name, value);
}

void Filesystem::forget(Ino ino, std::uint64_t lookups) {
  if (ino != kRootIno) nodes_.release(ino, lookups);
}

}  // namespace holtfs
